// SPDX-License-Identifier: MPL-2.0
//! The messages of a call in the order they passed, for people: a ladder.
//!
//! A [`Trace`] keeps what a call sent and received, within bounds however long the call lasts. What
//! it shows is masked: nothing that would let a reader answer for somebody else or listen in
//! leaves it.

mod draw;
mod mask;
mod traces;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub use draw::draw;
pub(crate) use traces::Traces;

use crate::transaction::Packet;

/// How a call began is kept whole, up to so many messages and octets.
const FIRST_MESSAGES: usize = 24;
const FIRST_OCTETS: usize = 32 * 1024;
/// A call that is answered and hung up has so many: room for them is made at once.
const USUAL_MESSAGES: usize = 6;
/// Of what follows, the last ones.
const LAST_MESSAGES: usize = 40;
const LAST_OCTETS: usize = 48 * 1024;
/// Of one message, so much.
const MESSAGE_OCTETS: usize = 8 * 1024;

/// One message of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderStep {
    /// When it was sent or came in.
    pub at: Instant,
    /// We sent it.
    pub sent: bool,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs.
    pub remote: SocketAddr,
    /// `INVITE sip:bob@192.0.2.1 (SDP)` or `200 OK (INVITE, SDP)`.
    pub summary: String,
    /// The same octets went the same way before.
    pub repeated: bool,
    /// The whole message, secrets masked.
    pub message: String,
    /// So many messages before this one were not kept.
    pub left_out_before: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    at: Instant,
    sent: bool,
    local: SocketAddr,
    remote: SocketAddr,
    packet: Packet,
    /// How long the message was before it was cut to be kept.
    length: usize,
}

/// The messages of one Call-ID. Shared by whoever shows them.
#[derive(Debug, Default)]
pub struct Trace {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    first: Vec<Entry>,
    first_octets: usize,
    last: VecDeque<Entry>,
    last_octets: usize,
    left_out: usize,
}

impl Trace {
    fn push(&self, mut entry: Entry) {
        if let Some(start) = entry.packet.get(..MESSAGE_OCTETS) {
            entry.packet = Packet::copy_from_slice(start);
        }
        let octets = entry.packet.len();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = kept.last.is_empty() && kept.left_out == 0;
        if begins && kept.first.len() < FIRST_MESSAGES && kept.first_octets + octets <= FIRST_OCTETS
        {
            kept.first_octets += octets;
            if kept.first.is_empty() {
                kept.first.reserve_exact(USUAL_MESSAGES);
            }
            kept.first.push(entry);
            return;
        }
        kept.last_octets += octets;
        kept.last.push_back(entry);
        while kept.last.len() > LAST_MESSAGES || kept.last_octets > LAST_OCTETS {
            let Some(oldest) = kept.last.pop_front() else {
                break;
            };
            kept.last_octets -= oldest.packet.len();
            kept.left_out += 1;
        }
    }

    /// The messages so far, secrets masked.
    pub fn steps(&self) -> Vec<LadderStep> {
        let (entries, first, left_out) = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let entries: Vec<Entry> = kept.first.iter().chain(&kept.last).cloned().collect();
            (entries, kept.first.len(), kept.left_out)
        };
        let repeated = |at: usize, entry: &Entry| {
            entries.iter().take(at).any(|earlier| {
                earlier.sent == entry.sent
                    && earlier.remote == entry.remote
                    && earlier.packet == entry.packet
            })
        };
        entries
            .iter()
            .enumerate()
            .map(|(at, entry)| LadderStep {
                at: entry.at,
                sent: entry.sent,
                local: entry.local,
                remote: entry.remote,
                summary: mask::summary(&entry.packet),
                repeated: repeated(at, entry),
                message: mask::message(&entry.packet, entry.length),
                left_out_before: if at == first { left_out } else { 0 },
            })
            .collect()
    }
}
