// SPDX-License-Identifier: MPL-2.0
//! `sip-worker run`: from a configuration to a worker that takes calls.
//!
//! - [`screen`]: who may call in
//! - [`registrations`]: where we are registered, and who is registered here
//! - [`balance`]: how much the media threads may carry, and that each carries its share
//! - [`worker`]: all that a running worker holds
//! - [`signals`]: what the system asks of it; [`notify`]: what systemd is told

mod balance;
mod notify;
pub mod registrations;
pub mod screen;
mod signals;
mod worker;

use std::path::Path;

use secrecy::ExposeSecret;

pub use signals::{Asked, Signals, until_signal};
pub use worker::{StartError, Worker, init_media};

use crate::config::Config;

/// Runs until told to stop.
pub async fn run(config: &Path) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let mut signals = Signals::new()?;
    let worker = Worker::start(config).await?;
    tracing::info!(sip = %worker.agent.local_addr(), "taking calls");
    if let Some((address, _)) = worker.http() {
        tracing::info!(
            "API and page at http://{address}/, opened by the token in [http] token_file"
        );
    }
    notify::notify(notify::READY);
    loop {
        match signals.next().await {
            Asked::Stop => break,
            Asked::Reload => match worker.reload_pipelines() {
                Ok(()) => tracing::info!("media graphs read again; running calls keep theirs"),
                Err(error) => tracing::error!(%error, "the media graphs stay as they were"),
            },
        }
    }
    tracing::info!("stopping");
    notify::notify(notify::STOPPING);
    worker.stop("the worker was stopped").await;
    Ok(())
}

/// The link that opens the page.
pub fn page_link(worker: &Worker) -> Option<String> {
    let (address, token) = worker.http()?;
    Some(format!("http://{address}/#token={}", token.expose_secret()))
}
