// SPDX-License-Identifier: MPL-2.0
//! Provisional responses that are sent until their PRACK comes (RFC 3262 §3).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::call::{Call, CallId, Phase};
use super::provisional::OPTION;
use super::receive::description;
use super::{EndCause, EndedBy, Endpoint};
use crate::transaction::Packet;
use crate::wire::{CSeq, HeaderName, RAck};

/// What may wait for the PRACK to what was sent before.
const MAX_WAITING: usize = 8;

/// The reliable provisional responses to one INVITE of theirs.
#[derive(Default)]
pub(super) struct Reliable {
    /// The RSeq of the last one.
    last: Option<u32>,
    /// The one that waits for its PRACK. Kept beyond a 2xx, for the PRACK may have passed it.
    unacknowledged: Option<Unacknowledged>,
    /// What is to be sent after it.
    waiting: VecDeque<(u16, Option<Vec<u8>>)>,
    /// What to say again every minute.
    pub(super) repeat: Option<u16>,
    /// An offer was answered, and the far end has both.
    pub(super) settled: bool,
    /// What the user accepted the call with, while a 2xx may not go out yet.
    pub(super) accepted: Option<Vec<u8>>,
}

struct Unacknowledged {
    rseq: u32,
    cseq: CSeq,
    status: u16,
    packet: Packet,
    resend_at: Instant,
    interval: Duration,
    give_up_at: Instant,
    describes: Describes,
}

/// What the SDP of a provisional response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Describes {
    /// There is none.
    Nothing,
    Answer,
    /// The PRACK brings the answer.
    Offer,
}

impl Reliable {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.unacknowledged.as_ref()?;
        Some(waiting.resend_at.min(waiting.give_up_at))
    }

    /// Our description is under way: no 2xx may overtake it, and no other offer.
    pub(super) fn describes(&self) -> bool {
        self.unacknowledged
            .as_ref()
            .is_some_and(|waiting| waiting.describes != Describes::Nothing)
    }

    /// Our description was sent, or is about to be: there is no room for another.
    fn has_described(&self) -> bool {
        self.settled || self.describes() || self.waiting.iter().any(|(_, sdp)| sdp.is_some())
    }

    /// What a PRACK acknowledges, once.
    pub(super) fn acknowledge(&mut self, rack: &RAck) -> Option<Describes> {
        let waiting = self
            .unacknowledged
            .take_if(|waiting| waiting.rseq == rack.rseq && waiting.cseq == rack.cseq)?;
        if waiting.describes == Describes::Answer {
            self.settled = true;
        }
        Some(waiting.describes)
    }
}

impl Endpoint {
    /// Whether this provisional response to their INVITE is to be reliable.
    pub(super) fn is_to_be_reliable(&self, id: CallId, sdp: bool) -> bool {
        let Some(Call {
            phase: Phase::Incoming(incoming),
            ..
        }) = self.calls.get(&id).map(Box::as_ref)
        else {
            return false;
        };
        let headers = &incoming.request.headers;
        let supported = sdp && self.config.reliable_early_media;
        headers.lists(HeaderName::Require, OPTION)
            || supported && headers.lists(HeaderName::Supported, OPTION)
    }

    /// Sends it, or lets it wait for the PRACK to what was sent before.
    pub(super) fn ring_reliably(
        &mut self,
        now: Instant,
        id: CallId,
        status: u16,
        sdp: Option<Vec<u8>>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let reliable = &mut call.reliable;
        // The offer and its answer are said once; UPDATE changes them.
        let sdp = sdp.filter(|_| !reliable.has_described());
        if reliable.unacknowledged.is_none() {
            return self.send_reliably(now, id, status, sdp);
        }
        let next = (status, sdp);
        if reliable.waiting.back() != Some(&next) && reliable.waiting.len() < MAX_WAITING {
            reliable.waiting.push_back(next);
        }
    }

    fn send_reliably(&mut self, now: Instant, id: CallId, status: u16, sdp: Option<Vec<u8>>) {
        let Some((server, request)) = self.waiting_invite(id) else {
            return;
        };
        let cseq = request.headers.get(HeaderName::CSeq);
        let Some(cseq) = cseq.and_then(|cseq| CSeq::parse(cseq).ok()) else {
            return;
        };
        let describes = match (&sdp, description(&request.headers, &request.body)) {
            (None, _) => Describes::Nothing,
            (Some(_), Some(_)) => Describes::Answer,
            (Some(_), None) => Describes::Offer,
        };
        // Any number below 2³¹ to begin with, and room to count.
        let first = 1 + (self.random_u32() >> 8);
        let last = self.calls.get(&id).and_then(|call| call.reliable.last);
        let rseq = last.map_or(first, |last| last.saturating_add(1));
        let described = sdp.clone();
        let Some(mut response) = self.invite_response(id, &request, status, sdp) else {
            return;
        };
        response.headers.push(HeaderName::Require, OPTION);
        response.headers.push(HeaderName::RSeq, rseq);
        let packet: Packet = response.to_bytes().into();
        self.table.respond(now, server, status, packet.clone());
        let timers = self.table.timers();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if described.is_some() {
            call.described = described;
        }
        call.reliable.last = Some(rseq);
        call.reliable.repeat = Some(status);
        call.reliable.unacknowledged = Some(Unacknowledged {
            rseq,
            cseq,
            status,
            packet,
            resend_at: now + timers.t1,
            interval: timers.t1,
            give_up_at: now + timers.give_up(),
            describes,
        });
        self.ring_again_later(now, id);
    }

    /// The PRACK came: on with what had to wait for it.
    pub(super) fn after_prack(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.reliable.accepted.is_none()
            && let Some((status, sdp)) = call.reliable.waiting.pop_front()
        {
            return self.send_reliably(now, id, status, sdp);
        }
        self.next_reoffer(now, id);
    }

    /// Sends it again, or gives up. False if neither is due.
    pub(super) fn reliable_due(&mut self, now: Instant, id: CallId) -> bool {
        let t1 = self.table.timers().t1;
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        let Phase::Incoming(incoming) = &call.phase else {
            return false;
        };
        let Some(waiting) = &mut call.reliable.unacknowledged else {
            return false;
        };
        if waiting.give_up_at <= now {
            let (status, remote) = (waiting.status, call.path.remote);
            let seconds = self.table.timers().give_up().as_secs();
            let reason = format!("{remote} did not acknowledge our {status} within {seconds} s");
            if self.refuse_invite(now, id, 504) {
                self.end(id, EndedBy::Network, Some(504), EndCause::Lost, reason);
                self.forget(id);
            }
            return true;
        }
        if waiting.resend_at > now {
            return false;
        }
        // It doubles without a ceiling, over any transport: proxies stand between.
        waiting.interval = (waiting.interval * 2).max(t1);
        waiting.resend_at = now + waiting.interval;
        let (server, status, packet) = (incoming.server, waiting.status, waiting.packet.clone());
        self.table.respond(now, server, status, packet);
        true
    }
}
