// SPDX-License-Identifier: MPL-2.0
//! Whether the servers that a URI leads to are there: each is asked by OPTIONS now and then (RFC 3261 §11).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::digest::Credentials;
use crate::transport::Hop;
use crate::wire::{NameAddr, Uri};

/// A watch of this process. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(u64);

impl WatchId {
    pub fn unique() -> WatchId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        WatchId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Whom to ask, and how often.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// The Request-URI and To.
    pub uri: Uri,
    /// The From header; a tag is added.
    pub from: NameAddr,
    /// Proxies that it must pass, nearest first. The servers are those of the first, or of `uri`.
    pub route: Vec<NameAddr>,
    /// For 401 and 407. Without them, these answers are as good as any.
    pub credentials: Option<Credentials>,
    /// How often each server is asked; where the servers are is looked up as often.
    pub every: Duration,
}

/// What is known of the servers of a watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchState {
    /// Best first.
    pub servers: Vec<WatchedServer>,
    /// Why it could not be looked up where they are, one sentence. The ones known before are still asked.
    pub lost: Option<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedServer {
    pub hop: Hop,
    pub state: ServerState,
}

/// How a server stands, by what it answered last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServerState {
    /// Its first answer is being waited for.
    #[default]
    Unknown,
    /// It answered, whatever it said: who refuses is there.
    Up { status: u16 },
    /// It did not answer, or said that it serves nobody (503) or heard nothing (408). Calls go to others
    /// first until it answers again.
    Down {
        status: Option<u16>,
        /// One sentence.
        why: String,
    },
}

impl WatchState {
    /// Whether anybody is there; `None` as long as that is not known.
    pub fn is_up(&self) -> Option<bool> {
        let mut states = self.servers.iter().map(|server| &server.state);
        let up = |state: &ServerState| matches!(state, ServerState::Up { .. });
        let known = |state: &ServerState| *state != ServerState::Unknown;
        if states.clone().any(up) {
            return Some(true);
        }
        let nobody = self.servers.is_empty() && self.lost.is_none();
        (!nobody && states.all(known)).then_some(false)
    }
}
