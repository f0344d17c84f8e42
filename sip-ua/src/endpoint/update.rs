// SPDX-License-Identifier: MPL-2.0
//! UPDATE (RFC 3311): refreshes the session, and may carry an offer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::{Call, CallId, Cancel, OurReoffer, Phase, ReofferState, TheirReoffer, Updates};
use super::receive::{description, unusable_body};
use super::reinvite::MAX_GLARES;
use super::responses::retry_after;
use super::send::{ALLOW, ServerUse};
use super::{CallEvent, Endpoint};
use crate::transaction::{Path, ServerId, ServerKey, ServerStart};
use crate::wire::{Core, HeaderName, Method, NameAddr, Request, Response};

impl Endpoint {
    pub(super) fn handle_update(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: Request,
        core: Core,
    ) {
        if let Some(refuse) = unusable_body(&request) {
            return self.answer_within(now, path, &request, &core, 415, refuse);
        }
        if let Some(min_se) = self.too_short(Some(id), &request) {
            return self.answer_within(now, path, &request, &core, 422, |response| {
                response.headers.push(HeaderName::MinSe, min_se);
            });
        }
        let offer = description(&request.headers, &request.body);
        let seconds = self.random_u32() % 10;
        let give_up_at = self.their_offer_lasts_until(now);
        let tag: Box<[u8]> = core.from.tag().unwrap_or_default().into();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if offer.is_some() {
            match in_the_way(call, &tag) {
                Some(500) => {
                    return self.answer_within(now, path, &request, &core, 500, |response| {
                        response.headers.push(HeaderName::RetryAfter, seconds);
                    });
                }
                Some(status) => {
                    return self.answer_within(now, path, &request, &core, status, |_| {});
                }
                None => {}
            }
        }
        if let Some(dialog) = call.dialog_with(&tag) {
            dialog.refresh_target(&core);
        }
        let key = ServerKey::of_request(&request, &core);
        let user = ServerUse { call: Some(id) };
        let server = self.table.start_server(ServerStart {
            key,
            merge: None,
            path,
            user,
        });
        let Some(sdp) = offer else {
            if let Some(response) = self.update_response(now, id, &request) {
                self.answer_invite(now, server, &response);
            }
            return;
        };
        if let Some(call) = self.calls.get_mut(&id) {
            if let Phase::Outgoing(outgoing) = &mut call.phase {
                outgoing.forks.follow(&tag);
            }
            call.their_reoffer = Some(TheirReoffer {
                server,
                request: Arc::new(request),
                give_up_at: Some(give_up_at),
            });
        }
        self.tell(id, CallEvent::Reoffer { sdp: Some(sdp) });
    }

    /// Their transaction must end before it times out on their side, which ends the call there.
    pub(super) fn their_offer_lasts_until(&self, now: Instant) -> Instant {
        now + self.table.timers().give_up() / 2
    }

    /// The user took too long over an offer (RFC 3311 §5.2).
    pub(super) fn their_offer_expired(&mut self, now: Instant, id: CallId) {
        if self.refuse_their_reoffer(now, id, 504) {
            self.tell(id, CallEvent::ReofferWithdrawn);
            self.next_reoffer(now, id);
        }
    }

    /// 200 with our answer, to an UPDATE or a PRACK.
    pub(super) fn accept_offer(
        &mut self,
        now: Instant,
        id: CallId,
        server: ServerId,
        request: &Request,
        sdp: Vec<u8>,
    ) {
        let response = match request.method {
            Method::Update => self.update_response(now, id, request),
            _ => Some(self.response(request, 200, b"")),
        };
        let Some(mut response) = response else {
            return;
        };
        response
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        response.body = sdp.clone();
        self.answer_invite(now, server, &response);
        let offer = description(&request.headers, &request.body);
        if let Some(call) = self.calls.get_mut(&id) {
            match &mut call.phase {
                Phase::Outgoing(outgoing) => {
                    if let Some(early) = outgoing.forks.get_mut(&caller(request)) {
                        early.renegotiated = true;
                        early.theirs = offer;
                        early.described = Some(sdp);
                    }
                }
                _ => call.described = Some(sdp),
            }
        }
        self.next_reoffer(now, id);
    }

    /// The 200 to an UPDATE, but for an answer.
    fn update_response(&mut self, now: Instant, id: CallId, request: &Request) -> Option<Response> {
        let mut response = self.response(request, 200, b"");
        let call = self.calls.get(&id)?;
        response.headers.push(HeaderName::Contact, &call.contact);
        response.headers.push(HeaderName::Allow, ALLOW);
        // Before the call is up there is no session to time.
        if matches!(call.phase, Phase::Up) {
            self.answer_timer(now, id, request, &mut response);
        }
        Some(response)
    }

    /// An UPDATE for an offer of ours before the call is up, not sent yet.
    pub(super) fn early_update(&mut self, id: CallId) -> Option<(Request, Path)> {
        let call = self.calls.get_mut(&id)?;
        let contact = call.contact.clone();
        let dialog = match &mut call.phase {
            Phase::Outgoing(outgoing) => &mut outgoing.forks.followed_mut()?.dialog,
            _ => call.dialog.as_mut()?,
        };
        let mut request = dialog.request(Method::Update);
        let dialog = dialog.clone();
        request.headers.push(HeaderName::Contact, &contact);
        request.headers.push(HeaderName::Allow, ALLOW);
        let path = self.paths.to(call, &dialog);
        Some((request, path))
    }

    /// A 2xx to an offer of ours in an early dialog; the call may be up by now.
    pub(super) fn early_offer_answered(&mut self, id: CallId, response: &Response, core: &Core) {
        let tag = core.to.tag().unwrap_or_default();
        let sdp = description(&response.headers, &response.body);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(reoffer) = call.our_reoffer.take_if(|ours| is_out(ours, tag)) else {
            return;
        };
        match &mut call.phase {
            Phase::Outgoing(outgoing) => {
                if let Some(early) = outgoing.forks.get_mut(tag) {
                    early.renegotiated = true;
                    early.theirs = sdp.clone();
                    early.described = Some(reoffer.sdp);
                }
            }
            _ => call.described = Some(reoffer.sdp),
        }
        if let Some(dialog) = call.dialog_with(tag) {
            dialog.refresh_target(core);
        }
        self.tell(id, CallEvent::ReofferAnswered { sdp });
    }

    /// A refusal of an offer of ours in an early dialog.
    pub(super) fn early_offer_refused(
        &mut self,
        now: Instant,
        id: CallId,
        response: &Response,
        core: &Core,
        sentence: String,
    ) {
        let status = response.status;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let tag = core.to.tag().unwrap_or_default();
        let ours = call.our_reoffer.as_mut().filter(|ours| is_out(ours, tag));
        let Some(reoffer) = ours else {
            return;
        };
        let wait = retry_after(&response.headers).filter(|_| status == 500);
        if status == 491 {
            let owner = call.ours;
            self.reoffer_glared(now, id, owner);
        } else if let Some(wait) = wait.filter(|wait| *wait <= LONGEST_WAIT)
            && reoffer.glares < MAX_GLARES
        {
            // They have one of ours, or we one of theirs, that is not answered yet (RFC 3311 §5.2).
            reoffer.glares += 1;
            reoffer.state = ReofferState::RetryAt(now + wait);
            self.answer_when_clear(now, id);
        } else if matches!(call.phase, Phase::Up) && matches!(status, 408 | 481) {
            self.lose(now, id, status, sentence);
        } else {
            self.reoffer_refused(now, id, status, sentence);
        }
    }

    /// Of the forks some are no more: neither offers of theirs nor of ours can be answered there.
    pub(super) fn drop_reoffers_of_others(
        &mut self,
        now: Instant,
        id: CallId,
        remains: impl Fn(&[u8]) -> bool,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let gone = |ours: &mut OurReoffer| ours.fork.as_ref().is_some_and(|tag| !remains(tag));
        if let Some(ours) = call.our_reoffer.take_if(gone) {
            call.next_reoffer.get_or_insert(ours.sdp);
        }
        let theirs = call.their_reoffer.as_ref();
        if theirs.is_some_and(|theirs| !remains(&caller(&theirs.request)))
            && self.refuse_their_reoffer(now, id, 481)
        {
            self.tell(id, CallEvent::ReofferWithdrawn);
        }
    }
}

/// A far end that asks for a longer pause is not about to answer an offer.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

fn is_out(ours: &OurReoffer, tag: &[u8]) -> bool {
    matches!(ours.state, ReofferState::Sent) && ours.fork.as_deref() == Some(tag)
}

/// The tag of whoever sent a request.
fn caller(request: &Request) -> Box<[u8]> {
    let from = request.headers.get(HeaderName::From);
    let from = from.and_then(|from| NameAddr::parse(from).ok());
    from.as_ref()
        .and_then(NameAddr::tag)
        .unwrap_or_default()
        .into()
}

/// Whether an offer may go out in an early dialog now (RFC 3311 §5.1): the far end takes UPDATE, the
/// first offer was answered reliably, and no other is under way.
pub(super) fn may_offer_early(call: &Call) -> bool {
    if call.their_reoffer.is_some() {
        return false;
    }
    match &call.phase {
        Phase::Incoming(_) => {
            call.reliable.settled && !call.reliable.describes() && call.updates == Updates::Yes
        }
        Phase::Outgoing(outgoing) => {
            matches!(outgoing.cancel, Cancel::No)
                && !outgoing.forks.is_offered()
                && outgoing.forks.followed().is_some_and(|early| {
                    early.settled && !early.pracking && early.updates == Updates::Yes
                })
        }
        _ => false,
    }
}

/// Why an offer of the far end of that tag cannot be taken now (§5.2): 500 while one of theirs waits for
/// our answer, 491 while one of ours waits for theirs.
fn in_the_way(call: &Call, tag: &[u8]) -> Option<u16> {
    if call.their_reoffer.is_some() {
        return Some(500);
    }
    let ours_under_way = call.our_offer_is_out();
    match &call.phase {
        Phase::Answering { .. } => Some(500),
        Phase::Incoming(_) if !call.reliable.settled => Some(500),
        Phase::Outgoing(outgoing) if outgoing.forks.is_offered() => Some(500),
        Phase::Outgoing(outgoing) => {
            let settled = outgoing.forks.get(tag).is_some_and(|early| early.settled);
            let cancelled = !matches!(outgoing.cancel, Cancel::No);
            (!settled || ours_under_way || cancelled).then_some(491)
        }
        Phase::Up | Phase::Incoming(_) if !ours_under_way && !asks(call) => None,
        _ => Some(491),
    }
}

/// Our 2xx carried an offer, and its ACK with the answer is still to come.
fn asks(call: &Call) -> bool {
    call.unacknowledged
        .as_ref()
        .is_some_and(|waiting| waiting.offered)
}
