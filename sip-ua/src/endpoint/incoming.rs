// SPDX-License-Identifier: MPL-2.0
//! Calls in, from the INVITE to the ACK (RFC 3261 §13.3).

use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::call::{
    Allowance, Call, CallId, Incoming, Phase, Timing, Unacknowledged, Updates, refuses_info,
};
use super::reason::Said;
use super::receive::description;
use super::reliable::Reliable;
use super::send::{ALLOW, ServerUse};
use super::transfer::Transfers;
use super::{CallEvent, EndCause, EndedBy, Endpoint, Event, Milestone};
use crate::dialog::{Dialog, DialogKey};
use crate::transaction::{MergeKey, Packet, Path, ServerId, ServerKey, ServerStart};
use crate::transport::Arrival;
use crate::wire::{Core, HeaderName, Headers, Request, Response, Scheme, reason_phrase};

/// A ringing call says so again this often, or proxies take it for dead (§13.3.1.1).
const RING_AGAIN: Duration = Duration::from_secs(60);

/// What 503 tells callers to wait when there are too many calls.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Whole ones, as headers have them, and not one too few.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

impl Endpoint {
    pub(super) fn handle_invite(
        &mut self,
        now: Instant,
        path: Path,
        arrival: Arrival,
        user: Option<String>,
        request: Request,
        core: Core,
    ) {
        if self.calls.len() >= self.config.limits.max_calls
            || self.table.server_count() >= self.config.limits.max_transactions
        {
            return self.answer_stateless(path, &request, 503, |response| {
                response
                    .headers
                    .push(HeaderName::RetryAfter, seconds(RETRY_AFTER));
            });
        }
        if let Some(min_se) = self.too_short(None, &request) {
            return self.answer_stateless(path, &request, 422, |response| {
                response.headers.push(HeaderName::MinSe, min_se);
            });
        }
        let replaces = match self.replaced_by(&request.headers) {
            Ok(replaces) => replaces,
            Err(status) => return self.answer_stateless(path, &request, status, |_| {}),
        };
        let local_tag = self.token(12);
        // Below 2³¹, with room to count (§8.1.1.5).
        let local_seq = 1 + (self.random_u32() >> 8);
        let dialog = match Dialog::of_invite(&core, &request, local_tag.as_bytes(), local_seq) {
            Ok(dialog) => dialog,
            Err(error) => {
                tracing::debug!(remote = %path.remote, %error, "an INVITE was refused");
                return self.answer_stateless(path, &request, 400, |response| {
                    response.reason = b"Missing or Unusable Contact Header".to_vec();
                });
            }
        };
        let sips = request.uri.scheme == Scheme::Sips || dialog.is_secure();
        let id = CallId::unique();
        let trying = self.response(&request, 100, b"").to_bytes();
        let start = ServerStart {
            key: ServerKey::of_request(&request, &core),
            merge: MergeKey::of_request(&core),
            path,
            user: ServerUse { call: Some(id) },
        };
        let server = self.table.start_server_invite(now, start, trying.into());
        let contact = self.dialog_contact(request.uri.user_decoded().as_deref(), path, sips);
        let request = Arc::new(request);
        let dialog_key = dialog.id().key();
        let incoming = Incoming {
            server,
            request: request.clone(),
            provisional: None,
            repeat_at: None,
        };
        let no_info = refuses_info(&request.headers);
        let call = Call {
            path,
            direct: core.via.len() == 1 && core.record_route.is_empty(),
            contact,
            ours: false,
            phase: Phase::Incoming(incoming),
            dialog: Some(dialog),
            dialogs: SmallVec::new(),
            auth: None,
            unacknowledged: None,
            their_reoffer: None,
            our_reoffer: None,
            next_reoffer: None,
            infos: Allowance::new(now),
            rings: Allowance::new(now),
            reliable: Reliable::default(),
            transfers: Transfers {
                replaces,
                ..Transfers::default()
            },
            stranded: Vec::new(),
            trace: self.traces.open(&core.call_id),
            timing: Timing::new(self.config.session_timer),
            updates: Updates::of(&request.headers),
            described: None,
            said: Said::default(),
            ended: false,
            armed: None,
        };
        self.calls.insert(id, Box::new(call));
        self.index(id, dialog_key);
        self.events.push_back(Event::Incoming {
            id,
            request,
            arrival,
            user,
            replaces,
        });
        if no_info {
            self.tell(id, CallEvent::NoInfo);
        }
        self.passed(now, id, Milestone::Invite);
    }

    /// A response above 100 to an INVITE within this call, first or later.
    pub(super) fn invite_response(
        &self,
        id: CallId,
        request: &Request,
        status: u16,
        sdp: Option<Vec<u8>>,
    ) -> Option<Response> {
        let call = self.calls.get(&id)?;
        let tag = &call.dialog.as_ref()?.id().local_tag;
        let mut response = self.response(request, status, tag);
        if status < 300 {
            response
                .headers
                .copy(HeaderName::RecordRoute, &request.headers);
            response.headers.push(HeaderName::Contact, &call.contact);
            response.headers.push(HeaderName::Allow, ALLOW);
        }
        if let Some(sdp) = sdp {
            response
                .headers
                .push(HeaderName::ContentType, "application/sdp");
            response.body = sdp;
        }
        Some(response)
    }

    pub(super) fn waiting_invite(&self, id: CallId) -> Option<(ServerId, Arc<Request>)> {
        match &self.calls.get(&id)?.phase {
            Phase::Incoming(incoming) => Some((incoming.server, incoming.request.clone())),
            _ => None,
        }
    }

    /// 180, or 183 with a body.
    pub fn ring(&mut self, now: Instant, id: CallId, sdp: Option<Vec<u8>>) {
        let Some((server, request)) = self.waiting_invite(id) else {
            return;
        };
        let status = if sdp.is_some() { 183 } else { 180 };
        if self.is_to_be_reliable(id, sdp.is_some()) {
            self.ring_reliably(now, id, status, sdp);
            self.passed(now, id, Milestone::Ringing);
            return self.settle_call(now, id);
        }
        let Some(response) = self.invite_response(id, &request, status, sdp) else {
            return;
        };
        let packet: Packet = response.to_bytes().into();
        self.table.respond(now, server, status, packet.clone());
        if let Some(Call {
            phase: Phase::Incoming(incoming),
            ..
        }) = self.calls.get_mut(&id).map(Box::as_mut)
        {
            incoming.provisional = Some((status, packet));
        }
        self.ring_again_later(now, id);
        self.passed(now, id, Milestone::Ringing);
        self.settle_call(now, id);
    }

    pub(super) fn ring_again_later(&mut self, now: Instant, id: CallId) {
        if let Some(Call {
            phase: Phase::Incoming(incoming),
            ..
        }) = self.calls.get_mut(&id).map(Box::as_mut)
        {
            incoming.repeat_at = Some(now + RING_AGAIN);
        }
    }

    /// Sends the last 180 or 183 again. A reliable one goes out as a new one, for its PRACK has come.
    pub(super) fn ring_again(&mut self, now: Instant, id: CallId) {
        self.ring_again_later(now, id);
        let Some(Call {
            phase: Phase::Incoming(incoming),
            reliable,
            ..
        }) = self.calls.get_mut(&id).map(Box::as_mut)
        else {
            return;
        };
        if let Some(status) = reliable.repeat {
            return self.ring_reliably(now, id, status, None);
        }
        let (server, provisional) = (incoming.server, incoming.provisional.clone());
        if let Some((status, packet)) = provisional {
            self.table.respond(now, server, status, packet);
        }
    }

    /// 200 with our SDP; for an outgoing call without an offer, the ACK with our answer.
    pub fn accept(&mut self, now: Instant, id: CallId, sdp: Vec<u8>) {
        match self.calls.get_mut(&id) {
            Some(call) if matches!(call.phase, Phase::Incoming(_)) => {
                call.reliable.accepted = Some(sdp);
                self.answer_when_clear(now, id);
            }
            _ => self.acknowledge_with(now, id, Some(sdp)),
        }
        self.settle_call(now, id);
    }

    /// Sends the 2xx that the user accepted with, unless an offer or answer is under way: both sides are
    /// to have the same session when the call is up (RFC 3262 §3, RFC 6337 §3.1).
    pub(super) fn answer_when_clear(&mut self, now: Instant, id: CallId) {
        let Some((server, request)) = self.waiting_invite(id) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.reliable.describes() || call.their_reoffer.is_some() || call.our_offer_is_out() {
            return;
        }
        let Some(sdp) = call.reliable.accepted.take() else {
            return;
        };
        let settled = call.reliable.settled;
        let offered = !settled && description(&request.headers, &request.body).is_none();
        let sdp = Some(sdp).filter(|_| !settled);
        self.send_2xx(now, id, server, &request, sdp, offered, false);
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = Phase::Up;
        }
        self.passed(now, id, Milestone::Answered);
        let call = self.calls.get_mut(&id);
        if let Some(replaced) = call.and_then(|call| call.transfers.replaces.take()) {
            self.give_way(now, replaced);
        }
    }

    /// Sends a 2xx and keeps it until its ACK comes (§13.3.1.4).
    #[allow(clippy::too_many_arguments)] // what a 2xx is made of
    pub(super) fn send_2xx(
        &mut self,
        now: Instant,
        id: CallId,
        server: ServerId,
        request: &Request,
        sdp: Option<Vec<u8>>,
        offered: bool,
        again: bool,
    ) {
        let described = sdp.clone();
        let Some(mut response) = self.invite_response(id, request, 200, sdp) else {
            return;
        };
        self.answer_timer(now, id, request, &mut response);
        let packet: Packet = response.to_bytes().into();
        self.table.respond(now, server, 200, packet.clone());
        let timers = self.table.timers();
        let seq = request.headers.get(HeaderName::CSeq);
        let seq = seq.and_then(|cseq| crate::wire::CSeq::parse(cseq).ok());
        if let (Some(call), Some(seq)) = (self.calls.get_mut(&id), seq) {
            call.described = described.or(call.described.take());
            call.unacknowledged = Some(Unacknowledged {
                server,
                seq: seq.number,
                packet,
                resend_at: now + timers.t1,
                interval: timers.t1,
                give_up_at: now + timers.give_up(),
                offered,
                again,
            });
        }
    }

    /// A final response of 300–699.
    pub fn reject(&mut self, now: Instant, id: CallId, status: u16, reason: Option<&str>) {
        self.reject_for(now, id, status, reason, None);
    }

    /// [`reject`](Self::reject), with the time after which the caller may try again (§20.33).
    pub fn reject_for(
        &mut self,
        now: Instant,
        id: CallId,
        status: u16,
        reason: Option<&str>,
        retry_after: Option<Duration>,
    ) {
        let status = if (300..700).contains(&status) {
            status
        } else {
            480
        };
        let phrase = reason
            .filter(|text| !text.is_empty())
            .unwrap_or(reason_phrase(status));
        let sentence = format!("this side refused the call: {status} {phrase}");
        let refused = self.refuse_invite_with(now, id, status, |response| {
            if let Some(reason) = reason.filter(|text| !text.is_empty()) {
                response.reason = reason.as_bytes().to_vec();
            }
            if let Some(wait) = retry_after {
                response.headers.push(HeaderName::RetryAfter, seconds(wait));
            }
        });
        if refused {
            self.end(
                id,
                EndedBy::Local,
                Some(status),
                EndCause::of_status(status),
                sentence,
            );
            self.forget(id);
        }
        self.settle(now);
    }

    /// Sends the refusal; false if there is no INVITE to refuse any more.
    pub(super) fn refuse_invite(&mut self, now: Instant, id: CallId, status: u16) -> bool {
        self.refuse_invite_with(now, id, status, |_| {})
    }

    fn refuse_invite_with(
        &mut self,
        now: Instant,
        id: CallId,
        status: u16,
        more: impl FnOnce(&mut Response),
    ) -> bool {
        let Some((server, request)) = self.waiting_invite(id) else {
            return false;
        };
        self.refuse_their_reoffer(now, id, 487);
        let Some(mut response) = self.invite_response(id, &request, status, None) else {
            return false;
        };
        more(&mut response);
        self.answer_invite(now, server, &response);
        true
    }

    /// CANCEL of an INVITE that we know (§9.2).
    pub(super) fn handle_cancel(
        &mut self,
        now: Instant,
        path: Path,
        server: ServerId,
        cancel: &Request,
    ) {
        let id = self.table.server(server).and_then(|user| user.call);
        let call = id.and_then(|id| self.calls.get(&id));
        let tag = call
            .and_then(|call| call.dialog.as_ref())
            .map(|d| d.id().local_tag.clone());
        let response = self.response(cancel, 200, tag.as_deref().unwrap_or(b"cancelled"));
        self.transmit(path, response.to_bytes().into());
        if !self.table.server_is_proceeding(server) {
            return;
        }
        let Some(id) = id else {
            return;
        };
        if self.refuse_invite(now, id, 487) {
            self.far_end_says(id, &cancel.headers);
            let mut sentence = "the caller hung up before the call was answered".to_owned();
            if let Some(reason) = stated_reason(cancel) {
                sentence = format!("{sentence}: {reason}");
            }
            self.end(
                id,
                EndedBy::Remote,
                Some(487),
                EndCause::Cancelled,
                sentence,
            );
            self.forget(id);
        } else {
            self.withdraw_their_reoffer(now, id);
        }
    }

    /// An ACK to a 2xx of ours.
    pub(super) fn handle_ack(&mut self, now: Instant, request: &Request, core: &Core) {
        let id = DialogKey::of_request(core).and_then(|id| self.dialogs.get(&id).copied());
        let Some(id) = id else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        self.touched.push(id);
        let Some(waiting) = call.unacknowledged.take_if(|u| u.seq == core.cseq.number) else {
            return;
        };
        let sdp = if waiting.offered {
            description(&request.headers, &request.body)
        } else {
            None
        };
        if let Phase::Leaving { reason } = &mut call.phase {
            let reason = reason.take();
            self.close_with_bye(now, id, reason.as_deref());
        } else if waiting.again {
            if waiting.offered {
                self.tell(id, CallEvent::ReofferAnswered { sdp });
            }
        } else {
            self.passed(now, id, Milestone::Confirmed);
            self.tell(id, CallEvent::Confirmed { sdp });
        }
        self.next_reoffer(now, id);
    }
}

impl Endpoint {
    /// Keeps for the end of a call what the message that ends it says.
    pub(super) fn far_end_says(&mut self, id: CallId, headers: &Headers) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.said = Said::of(headers);
        }
    }
}

/// The Reason header of a BYE or CANCEL, for people.
pub(super) fn stated_reason(request: &Request) -> Option<String> {
    let value = request.headers.get(HeaderName::Reason)?;
    let text = String::from_utf8_lossy(value);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    (!text.is_empty()).then_some(text)
}
