// SPDX-License-Identifier: MPL-2.0
//! The four transaction machines of RFC 3261 §17 with RFC 6026, each plain data in a file of its own,
//! and the table that finds the transaction a message belongs to.
//!
//! A machine is given an instant and an input and returns what to do. It knows no socket, no clock
//! and no message: only statuses and the bytes that it may have to send again.

mod client_invite;
mod client_non_invite;
mod matching;
mod server_invite;
mod server_non_invite;
mod table;

use std::time::Duration;

use bytes::Bytes;
pub use client_invite::ClientInvite;
pub use client_non_invite::ClientNonInvite;
pub use matching::{ClientKey, MergeKey, ServerKey};
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;
pub use table::{ClientId, Effect, Path, ServerId, ServerStart, Table};

use crate::transport::Transport;

/// A message as it goes over the wire, shared between the machine and the socket.
pub type Packet = Bytes;

/// The base intervals of RFC 3261 §17.1.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// The round trip estimate.
    pub t1: Duration,
    /// The ceiling of retransmission intervals of everything but INVITE.
    pub t2: Duration,
    /// How long a message may linger in the network.
    pub t4: Duration,
    /// The transport retransmits by itself: Timers A, E and G are off; D, I, J and K are zero.
    pub reliable: bool,
}

impl Timers {
    /// The same over this transport.
    pub fn over(self, transport: Transport) -> Timers {
        Timers {
            reliable: self.reliable || transport.is_reliable(),
            ..self
        }
    }

    /// 64·T1: how long a transaction waits before it gives up (Timers B, F, H, J, L and M).
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// How long a finished machine lingers for what may still be under way.
    fn linger(&self, unreliable: Duration) -> Duration {
        if self.reliable {
            Duration::ZERO
        } else {
            unreliable
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            reliable: false,
        }
    }
}

/// What a machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes to the transaction's peer.
    Send(Packet),
    /// Hand the message just given to the transaction user.
    Deliver,
    /// Timer B or F: no final response came.
    TimedOut,
    /// Timer H: our refusal of an INVITE was never acknowledged.
    NeverAcknowledged,
    /// The machine is done and can be forgotten.
    Terminated,
}

/// What a machine wants done, in order.
pub type Outputs = Vec<Output>;
