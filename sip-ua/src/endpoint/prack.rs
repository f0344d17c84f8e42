// SPDX-License-Identifier: MPL-2.0
//! PRACKs of theirs (RFC 3262 §3).

use std::sync::Arc;
use std::time::Instant;

use super::call::{CallId, Phase, TheirReoffer};
use super::receive::{description, unusable_body};
use super::reliable::Describes;
use super::send::ServerUse;
use super::{CallEvent, Endpoint};
use crate::transaction::{Path, ServerKey, ServerStart};
use crate::wire::{Core, HeaderName, RAck, Request};

impl Endpoint {
    pub(super) fn handle_prack(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: Request,
        core: &Core,
    ) {
        let rack = request.headers.get(HeaderName::RAck);
        let Some(rack) = rack.and_then(RAck::parse) else {
            return self.answer_within(now, path, &request, core, 400, |response| {
                response.reason = b"Missing or Malformed RAck Header".to_vec();
            });
        };
        let call = self.calls.get_mut(&id);
        let acknowledged = call.and_then(|call| call.reliable.acknowledge(&rack));
        let Some(describes) = acknowledged else {
            return self.answer_within(now, path, &request, core, 481, |_| {});
        };
        // Whatever it holds, the response has arrived.
        if let Some(refuse) = unusable_body(&request) {
            self.answer_within(now, path, &request, core, 415, refuse);
            return self.after_prack(now, id);
        }
        match description(&request.headers, &request.body) {
            Some(answer) if describes == Describes::Offer => {
                self.answer_within(now, path, &request, core, 200, |_| {});
                if let Some(call) = self.calls.get_mut(&id) {
                    call.reliable.settled = true;
                }
                self.tell(id, CallEvent::ReofferAnswered { sdp: Some(answer) });
            }
            Some(offer) => self.offer_in_prack(now, id, path, request, core, offer),
            None => self.answer_within(now, path, &request, core, 200, |_| {}),
        }
        self.after_prack(now, id);
    }

    fn offer_in_prack(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: Request,
        core: &Core,
        offer: Vec<u8>,
    ) {
        let give_up_at = self.their_offer_lasts_until(now);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        // Their first offer has no answer yet, or one of ours is under way (RFC 3264 §4).
        let clear = matches!(call.phase, Phase::Incoming(_))
            && call.reliable.settled
            && call.their_reoffer.is_none()
            && !call.our_offer_is_out();
        if !clear {
            return self.answer_within(now, path, &request, core, 491, |_| {});
        }
        let server = self.table.start_server(ServerStart {
            key: ServerKey::of_request(&request, core),
            merge: None,
            path,
            user: ServerUse { call: Some(id) },
        });
        call.their_reoffer = Some(TheirReoffer {
            server,
            request: Arc::new(request),
            give_up_at: Some(give_up_at),
        });
        self.tell(id, CallEvent::Reoffer { sdp: Some(offer) });
    }
}
