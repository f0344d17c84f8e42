// SPDX-License-Identifier: MPL-2.0
//! What the system asks of a running worker.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP: read media graphs and certificates again.
    Reload,
}

/// Listens for signals; from the moment it is made none of them ends the process by itself.
pub struct Signals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to listen.
    pub fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// Returns at the first SIGTERM or SIGINT.
pub async fn until_signal() {
    match Signals::new() {
        Ok(mut signals) => while signals.next().await != Asked::Stop {},
        Err(error) => {
            tracing::warn!(%error, "signals cannot be received");
            std::future::pending().await
        }
    }
}
