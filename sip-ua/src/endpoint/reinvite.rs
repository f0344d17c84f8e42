// SPDX-License-Identifier: MPL-2.0
//! re-INVITE, both ways (RFC 3261 §14).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::{CallId, OurReoffer, Phase, ReofferState, TheirReoffer};
use super::receive::{description, unusable_body};
use super::send::{ClientKind, ServerUse};
use super::update::may_offer_early;
use super::{CallEvent, Endpoint};
use crate::transaction::{Path, ServerKey, ServerStart};
use crate::wire::{Core, HeaderName, Method, NameAddr, Request, Response};

/// A far end that answers 491 more often than this is not having glare.
pub(super) const MAX_GLARES: u8 = 5;

impl Endpoint {
    pub(super) fn handle_reinvite(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: Request,
        core: Core,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let up = matches!(call.phase, Phase::Up);
        let ours_under_way = call.our_offer_is_out();
        // Their earlier INVITE still waits for our final response.
        if call.their_reoffer.is_some() || matches!(call.phase, Phase::Incoming(_)) {
            let seconds = self.random_u32() % 10;
            return self.answer_within(now, path, &request, &core, 500, |response| {
                response.headers.push(HeaderName::RetryAfter, seconds);
            });
        }
        if !up || ours_under_way || call.unacknowledged.is_some() {
            return self.answer_within(now, path, &request, &core, 491, |_| {});
        }
        if let Some(refuse) = unusable_body(&request) {
            return self.answer_within(now, path, &request, &core, 415, refuse);
        }
        if let Some(min_se) = self.too_short(Some(id), &request) {
            return self.answer_within(now, path, &request, &core, 422, |response| {
                response.headers.push(HeaderName::MinSe, min_se);
            });
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.updates.learn(&request.headers);
        if let Some(dialog) = &mut call.dialog {
            dialog.refresh_target(&core);
        }
        let trying = self.response(&request, 100, b"").to_bytes();
        let start = ServerStart {
            key: ServerKey::of_request(&request, &core),
            merge: None,
            path,
            user: ServerUse { call: Some(id) },
        };
        let server = self.table.start_server_invite(now, start, trying.into());
        let sdp = description(&request.headers, &request.body);
        if let Some(call) = self.calls.get_mut(&id) {
            call.their_reoffer = Some(TheirReoffer {
                server,
                request: Arc::new(request),
                give_up_at: None,
            });
        }
        self.tell(id, CallEvent::Reoffer { sdp });
    }

    /// Answers a `Reoffer`.
    pub fn answer_reoffer(&mut self, now: Instant, id: CallId, answer: Result<Vec<u8>, u16>) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.their_reoffer.is_none() && self.answer_early_offer(now, id, &answer) {
            return self.settle_call(now, id);
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match answer {
            Ok(sdp) => match call.their_reoffer.take() {
                Some(TheirReoffer {
                    server, request, ..
                }) if request.method != Method::Invite => {
                    self.accept_offer(now, id, server, &request, sdp);
                }
                Some(TheirReoffer {
                    server, request, ..
                }) => {
                    let offered = description(&request.headers, &request.body).is_none();
                    self.send_2xx(now, id, server, &request, Some(sdp), offered, true);
                }
                // The 2xx passed the answer to what a provisional response had offered.
                None => self.acknowledge_with(now, id, Some(sdp)),
            },
            Err(status) => {
                let status = if (300..700).contains(&status) {
                    status
                } else {
                    488
                };
                self.refuse_their_reoffer(now, id, status);
                self.next_reoffer(now, id);
            }
        }
        self.settle_call(now, id);
    }

    /// True if there was one to refuse.
    pub(super) fn refuse_their_reoffer(&mut self, now: Instant, id: CallId, status: u16) -> bool {
        let reoffer = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.their_reoffer.take());
        let Some(TheirReoffer {
            server, request, ..
        }) = reoffer
        else {
            return false;
        };
        let response = self.response(&request, status, b"");
        self.answer_invite(now, server, &response);
        true
    }

    /// CANCEL of a re-INVITE.
    pub(super) fn withdraw_their_reoffer(&mut self, now: Instant, id: CallId) {
        if self.refuse_their_reoffer(now, id, 487) {
            self.tell(id, CallEvent::ReofferWithdrawn);
            self.next_reoffer(now, id);
        }
    }

    /// Sends a re-INVITE with this offer, now or when what is under way is over.
    pub fn reoffer(&mut self, now: Instant, id: CallId, sdp: Vec<u8>) {
        if let Some(call) = self.calls.get_mut(&id)
            && !call.ended
        {
            call.next_reoffer = Some(sdp);
        }
        self.next_reoffer(now, id);
        self.settle_call(now, id);
    }

    /// Sends the offer that waits, if nothing is in its way.
    pub(super) fn next_reoffer(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if matches!(call.phase, Phase::Incoming(_)) && call.reliable.accepted.is_some() {
            return self.answer_when_clear(now, id);
        }
        let clear = match &call.phase {
            Phase::Up => call.unacknowledged.is_none() && call.their_reoffer.is_none(),
            _ => may_offer_early(call),
        };
        if !clear {
            return;
        }
        match &mut call.our_reoffer {
            None => {
                let Some(sdp) = call.next_reoffer.take() else {
                    return;
                };
                call.our_reoffer = Some(OurReoffer {
                    sdp,
                    glares: 0,
                    state: ReofferState::Waiting,
                    fork: None,
                    refresh: false,
                });
            }
            Some(OurReoffer {
                state: ReofferState::Waiting,
                ..
            }) => {}
            Some(_) => return,
        }
        self.send_reoffer(now, id);
    }

    fn send_reoffer(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let (method, kind) = match call.phase {
            Phase::Up => (Method::Invite, ClientKind::Reinvite),
            _ => (Method::Update, ClientKind::UpdateOffer),
        };
        let made = match kind {
            ClientKind::Reinvite => self.request_within(id, method),
            _ => self.early_update(id),
        };
        let Some((mut request, path)) = made else {
            return;
        };
        let call = self.calls.get_mut(&id);
        let Some(reoffer) = call.and_then(|call| call.our_reoffer.as_mut()) else {
            return;
        };
        reoffer.state = ReofferState::Sent;
        let to = request.headers.get(HeaderName::To);
        reoffer.fork = to
            .and_then(|to| NameAddr::parse(to).ok())
            .and_then(|to| to.tag().map(Box::from));
        request
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        request.body = reoffer.sdp.clone();
        if let Err(error) = self.send_within(now, id, kind, path, request) {
            self.reoffer_refused(now, id, 401, error.to_string());
        }
    }

    /// The pause after glare is over.
    pub(super) fn reoffer_again(&mut self, now: Instant, id: CallId) {
        if let Some(reoffer) = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.our_reoffer.as_mut())
        {
            reoffer.state = ReofferState::Waiting;
        }
        self.next_reoffer(now, id);
    }

    /// 491: again after a pause whose length tells the two apart (§14.1). `owner` made the Call-ID.
    pub(super) fn reoffer_glared(&mut self, now: Instant, id: CallId, owner: bool) {
        let pause = match owner {
            true => self.random_between(Duration::from_millis(2_100), Duration::from_secs(4)),
            false => self.random_between(Duration::ZERO, Duration::from_secs(2)),
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(reoffer) = &mut call.our_reoffer else {
            return;
        };
        reoffer.glares += 1;
        if reoffer.glares > MAX_GLARES {
            let reason = "the far end kept saying 491 Request Pending".to_owned();
            return self.reoffer_refused(now, id, 491, reason);
        }
        reoffer.state = ReofferState::RetryAt(now + pause);
        self.answer_when_clear(now, id);
    }

    pub(super) fn reoffer_refused(
        &mut self,
        now: Instant,
        id: CallId,
        status: u16,
        reason: String,
    ) {
        let over = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.our_reoffer.take());
        if over.is_some_and(|reoffer| reoffer.refresh) {
            tracing::debug!(status, reason, "a session was not refreshed");
        } else {
            self.tell(id, CallEvent::ReofferRefused { status, reason });
        }
        self.refresh_later(now, id);
        self.next_reoffer(now, id);
    }

    pub(super) fn reoffer_answered(
        &mut self,
        now: Instant,
        id: CallId,
        response: &Response,
        core: &Core,
    ) {
        self.timer_answered(now, id, response);
        let sdp = description(&response.headers, &response.body);
        let mut refresh = false;
        if let Some(call) = self.calls.get_mut(&id) {
            if let Some(reoffer) = call.our_reoffer.take() {
                refresh = reoffer.refresh;
                call.described = Some(reoffer.sdp);
            }
            if let Some(dialog) = &mut call.dialog {
                dialog.refresh_target(core);
            }
        }
        let event = match refresh {
            true => CallEvent::Refreshed { sdp },
            false => CallEvent::ReofferAnswered { sdp },
        };
        self.tell(id, event);
        self.next_reoffer(now, id);
    }
}
