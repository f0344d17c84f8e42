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
    for profile in &config.profiles {
        profile.define()?;
    }
    // Before the first call is taken: a worker that cannot be asked as configured takes none.
    let http = match config.http.clone() {
        Some(http) => Some((Port::open(&http).await?, http)),
        None => None,
    };
    let (worker, incoming) = Worker::start(config).await?;
    let served = http.map(|(port, config)| port.serve(&worker, &config));
    tokio::spawn(calls::take_all(worker.clone(), incoming));
    Ok((worker, served))
}

/// Runs until told to stop.
pub async fn run(config: &Path) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let mut signals = Signals::new()?;
    let (worker, served) = start(config).await?;
    tracing::info!(sip = %worker.agent.local_addr(), "taking calls");
    if let Some(served) = &served {
        let url = served.url();
        tracing::info!(
            "API at {url}, all calls at {url}/calls and rooms at {url}/, opened by the token in [http] token_file"
        );
    }
    notify::notify(notify::READY);
    loop {
        match signals.next().await {
            Asked::Stop => break,
            Asked::Reload => reload(&worker, served.as_ref()),
        }
    }
    tracing::info!("stopping");
    notify::notify(notify::STOPPING);
    worker.stop("the worker was stopped").await;
    Ok(())
}

fn reload(worker: &Worker, served: Option<&Served>) {
    match worker.reload_pipelines() {
        Ok(()) => tracing::info!("media graphs read again; running calls keep theirs"),
        Err(error) => tracing::error!(%error, "the media graphs stay as they were"),
    }
    let of_sip = worker.reload_certificates();
    let of_http = served.map_or(Ok(()), Served::reload_certificate);
    match of_sip.and(of_http) {
        Ok(()) => tracing::info!("certificates read again; open connections keep theirs"),
        Err(error) => tracing::error!(%error, "a certificate stays as it was"),
    }
}
