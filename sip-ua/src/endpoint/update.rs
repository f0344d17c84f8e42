// SPDX-License-Identifier: MPL-2.0
//! UPDATE (RFC 3311): refreshes the session, and may carry an offer.

use std::sync::Arc;
use std::time::Instant;

use super::call::{Call, CallId, OurReoffer, Phase, ReofferState, TheirReoffer};
use super::receive::{description, unusable_body};
use super::send::{ALLOW, ServerUse};
use super::{CallEvent, Endpoint};
use crate::transaction::{Path, ServerId, ServerKey, ServerStart};
use crate::wire::{Core, HeaderName, Request, Response};

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
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if offer.is_some() {
            match in_the_way(call) {
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
        if let Some(dialog) = &mut call.dialog {
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
            call.their_reoffer = Some(TheirReoffer {
                server,
                request: Arc::new(request),
            });
        }
        self.tell(id, CallEvent::Reoffer { sdp: Some(sdp) });
    }

    /// 200 with our answer.
    pub(super) fn accept_update(
        &mut self,
        now: Instant,
        id: CallId,
        server: ServerId,
        request: &Request,
        sdp: Vec<u8>,
    ) {
        let Some(mut response) = self.update_response(now, id, request) else {
            return;
        };
        response
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        response.body = sdp.clone();
        self.answer_invite(now, server, &response);
        if let Some(call) = self.calls.get_mut(&id) {
            call.described = Some(sdp);
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
}

/// Why an offer cannot be taken now (§5.2): 500 while one of theirs waits for our answer, 491 while
/// one of ours waits for theirs.
fn in_the_way(call: &Call) -> Option<u16> {
    let ours_under_way = matches!(
        &call.our_reoffer,
        Some(OurReoffer {
            state: ReofferState::Sent,
            ..
        })
    );
    match &call.phase {
        _ if call.their_reoffer.is_some() => Some(500),
        Phase::Incoming(_) | Phase::Answering { .. } => Some(500),
        Phase::Up if !ours_under_way && !asks(call) => None,
        _ => Some(491),
    }
}

/// Our 2xx carried an offer, and its ACK with the answer is still to come.
fn asks(call: &Call) -> bool {
    call.unacknowledged
        .as_ref()
        .is_some_and(|waiting| waiting.offered)
}
