// SPDX-License-Identifier: MPL-2.0
//! Which trace a message belongs to: found by Call-ID, for as long as somebody holds the trace.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use memchr::memmem;

use super::{Entry, Trace};
use crate::surplus::Surplus;
use crate::transaction::Packet;

/// Callers who were asked for a password and may come back with it. Nothing else of strangers is
/// kept.
const CHALLENGED_KEPT: usize = 64;

/// Transactions are remembered for longer than any call that they belong to, so what a crowd of calls left is
/// found before the last timer.
const TIDY_EVERY: Duration = Duration::from_secs(8);

/// The traces of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    known: HashMap<Box<[u8]>, Weak<Trace>>,
    /// Traces that nobody holds any more are looked for when there are so many.
    purge_at: usize,
    tidy_at: Option<Instant>,
    challenged: VecDeque<Arc<Trace>>,
    /// The message that is arriving.
    arriving: Option<Arriving>,
}

#[derive(Debug)]
struct Arriving {
    at: Instant,
    local: SocketAddr,
    remote: SocketAddr,
    packet: Packet,
}

impl Traces {
    /// A message came in; whose it is shows later, if at all.
    pub(crate) fn arrive(
        &mut self,
        at: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        packet: &Packet,
    ) {
        self.arriving = Some(Arriving {
            at,
            local,
            remote,
            packet: packet.clone(),
        });
    }

    /// The message that came in has this Call-ID.
    pub(crate) fn received(&mut self, call_id: &[u8]) {
        if let Some(trace) = self.find(call_id) {
            self.take_arriving(&trace);
        }
    }

    /// The message that came in was dealt with.
    pub(crate) fn arrived(&mut self) {
        self.arriving = None;
    }

    fn take_arriving(&mut self, trace: &Trace) {
        let Some(Arriving {
            at,
            local,
            remote,
            packet,
        }) = self.arriving.take()
        else {
            return;
        };
        trace.push(Entry {
            at,
            sent: false,
            local,
            remote,
            length: packet.len(),
            packet,
        });
    }

    /// The trace of a call that begins, with the message that began it.
    pub(crate) fn open(&mut self, call_id: &[u8]) -> Arc<Trace> {
        let trace = self.find(call_id).unwrap_or_else(|| self.insert(call_id));
        self.take_arriving(&trace);
        trace
    }

    /// The message that came in is answered with a challenge: what follows may become a call.
    pub(crate) fn challenge(&mut self, call_id: &[u8]) {
        if self.find(call_id).is_some() {
            return;
        }
        let trace = self.insert(call_id);
        self.take_arriving(&trace);
        if self.challenged.len() >= CHALLENGED_KEPT {
            self.challenged.pop_front();
        }
        self.challenged.push_back(trace);
    }

    /// A message goes out.
    pub(crate) fn sent(
        &mut self,
        at: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        packet: &Packet,
    ) {
        let Some(trace) = call_id_of(packet).and_then(|call_id| self.find(call_id)) else {
            return;
        };
        trace.push(Entry {
            at,
            sent: true,
            local,
            remote,
            packet: packet.clone(),
            length: packet.len(),
        });
    }

    /// Forgets, now and then, traces that nobody holds any more: they are small, lie everywhere in memory, and
    /// would keep all around them from being given back.
    pub(crate) fn tidy(&mut self, now: Instant) {
        if !self.known.is_empty() && self.tidy_at.is_none_or(|at| at <= now) {
            self.purge();
            self.tidy_at = Some(now + TIDY_EVERY);
        }
    }

    fn purge(&mut self) {
        self.known.retain(|_, trace| trace.strong_count() > 0);
        self.known.give_back();
        self.purge_at = 64.max(self.known.len() * 2);
    }

    fn find(&self, call_id: &[u8]) -> Option<Arc<Trace>> {
        self.known.get(call_id).and_then(Weak::upgrade)
    }

    fn insert(&mut self, call_id: &[u8]) -> Arc<Trace> {
        if self.known.len() >= self.purge_at {
            self.purge();
        }
        let trace = Arc::new(Trace::default());
        self.known.insert(call_id.into(), Arc::downgrade(&trace));
        trace
    }
}

/// The Call-ID of a message that we wrote: the name is in its long form, and no value holds a line
/// break.
fn call_id_of(packet: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    let value = packet.get(memmem::find(packet, NAME)? + NAME.len()..)?;
    value.get(..memchr::memchr(b'\r', value)?)
}
