// SPDX-License-Identifier: MPL-2.0
//! What comes before the answer does: checks, and the beginning of a handshake.

use std::net::SocketAddr;
use std::time::Instant;

/// Datagrams that are kept.
const EARLY_MAX: usize = 16;

/// A datagram that came before the far end was known.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// When.
    pub(crate) at: Instant,
    /// To which of our addresses.
    pub(crate) local: SocketAddr,
    /// From whom.
    pub(crate) from: SocketAddr,
    /// What.
    pub(crate) bytes: Vec<u8>,
}

/// Datagrams that are kept until the far end is known.
#[derive(Debug, Default)]
pub(crate) struct Early(Vec<Arrived>);

impl Early {
    /// Keeps it, if there is room.
    pub(crate) fn keep(&mut self, at: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if self.0.len() < EARLY_MAX {
            self.0.push(Arrived {
                at,
                local,
                from,
                bytes: bytes.to_vec(),
            });
        }
    }

    /// All of them, in order.
    pub(crate) fn take(&mut self) -> Vec<Arrived> {
        std::mem::take(&mut self.0)
    }
}
