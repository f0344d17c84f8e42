// SPDX-License-Identifier: MPL-2.0
//! `sip-worker run`: from a configuration to a worker that takes calls, and that can be asked over HTTP.
//!
//! [`signals`]: what the system asks of it; [`notify`]: what systemd is told.

mod notify;
mod signals;

use std::path::Path;
use std::sync::Arc;

pub use signals::{Asked, Signals, until_signal};

use crate::calls;
use crate::config::Config;
use crate::http::{Port, Served};
use crate::worker::Worker;

/// Starts a worker, and its control interface where the configuration has one.
pub async fn start(config: Config) -> anyhow::Result<(Arc<Worker>, Option<Served>)> {
    // Before the first call is taken: a worker that cannot be asked as configured takes none.
    let port = match &config.http {
        Some(http) => Some(Port::open(http).await?),
        None => None,
    };
    let (worker, incoming) = Worker::start(config).await?;
    let served = port.map(|port| port.serve(&worker));
    tokio::spawn(calls::take_all(worker.clone(), incoming));
    Ok((worker, served))
}

/// Runs until told to stop.
pub async fn run(config: &Path) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let mut signals = Signals::new()?;
    let (worker, served) = start(config).await?;
    tracing::info!(sip = %worker.agent.local_addr(), "taking calls");
    if let Some(served) = served {
        tracing::info!(
            "API and page at http://{}/, opened by the token in [http] token_file",
            served.address
        );
    }
    notify::notify(notify::READY);
    loop {
        match signals.next().await {
            Asked::Stop => break,
            Asked::Reload => reload(&worker),
        }
    }
    tracing::info!("stopping");
    notify::notify(notify::STOPPING);
    worker.stop("the worker was stopped").await;
    Ok(())
}

fn reload(worker: &Worker) {
    match worker.reload_pipelines() {
        Ok(()) => tracing::info!("media graphs read again; running calls keep theirs"),
        Err(error) => tracing::error!(%error, "the media graphs stay as they were"),
    }
    match worker.reload_certificates() {
        Ok(()) => tracing::info!("certificates read again; open connections keep theirs"),
        Err(error) => tracing::error!(%error, "the certificates stay as they were"),
    }
}
