// SPDX-License-Identifier: MPL-2.0
//! The load: RTP streams of real speech to ports of loopback, and what comes back of them.
//!
//! One thread sends and receives for all streams, from a few sockets that all legs share: a stream
//! that comes back is known by the port it comes from. Times are the kernel's own, so they say when
//! a packet was sent and not when we looked. The generator measures itself too; where it was late,
//! a run does not count.
//!
//! Calls are [`sipp`]'s, with a scenario of ours; those over a connection each, which it is too slow for, are
//! the [`dialer`]'s.

mod dialer;
mod generator;
mod network;
mod probe;
mod score;
mod sipp;
mod speech;
mod tally;
mod wire;

pub use generator::{Fitness, Generator, Mark, Outcome};
pub use network::Network;
pub use probe::{Delays, delays, heard_as, played};
pub use score::{Band, Score};
pub use sipp::{Caller, Counts, Way};
pub use speech::{Media, OPUS, Sound, Speech, TURN};
pub use tally::{Heard, Tally};

use std::sync::Arc;
use std::time::Duration;

/// One leg: what is sent to it, and how what it sends is known.
#[derive(Clone)]
pub struct Stream {
    /// The generator's socket it belongs to; see [`Generator::ports`].
    pub socket: usize,
    /// The port to send to.
    pub to: u16,
    /// The port its packets come from.
    pub from: u16,
    /// The payload type to send with.
    pub payload_type: u8,
    /// What to send.
    pub media: Arc<Media>,
    /// The frame of it to begin with, so that not all say the same at once.
    pub first_frame: usize,
    /// Whether all packets, sent and received, are kept to be listened to.
    pub recorded: bool,
    /// What happens to it on its way there.
    pub network: Network,
}

/// How long a run takes.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Sent before anything counts: peers learn addresses, buffers fill.
    pub warm_up: Duration,
    /// What counts.
    pub measured: Duration,
}

/// The wall clock.
pub fn seconds_since_1970() -> u64 {
    wire::now_ns() / 1_000_000_000
}
