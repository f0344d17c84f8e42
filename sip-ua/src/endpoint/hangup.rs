// SPDX-License-Identifier: MPL-2.0
//! The user's way out of a call, and what it says within one.

use std::time::Instant;

use super::call::{Call, CallId, Cancel, Phase};
use super::send::{ClientKind, reason_value};
use super::{CallEvent, EndCause, EndedBy, Endpoint, Milestone, Reason};
use crate::transaction::ClientId;
use crate::wire::Method;

impl Endpoint {
    /// BYE, CANCEL or a rejection, whichever fits the state. The user is told at once that the call
    /// is over; what the far end says to it is the endpoint's business.
    pub fn hangup(&mut self, now: Instant, id: CallId, reason: Option<Reason>) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| !call.ended) else {
            return;
        };
        let value = reason.as_ref().map(reason_value);
        let said = match &reason {
            Some(reason) if !reason.text.is_empty() => {
                format!("this side hung up: {}", reason.text)
            }
            _ => "this side hung up".to_owned(),
        };
        let cause = match &mut call.phase {
            Phase::Incoming(_) => {
                let sip = reason
                    .as_ref()
                    .filter(|r| r.protocol.eq_ignore_ascii_case("SIP"));
                let status = sip.map(|r| r.cause).filter(|c| (300..700).contains(c));
                return self.reject(now, id, status.unwrap_or(480), None);
            }
            Phase::Outgoing(_) => EndCause::Cancelled,
            _ => EndCause::HungUp,
        };
        self.leave(now, id, value, EndedBy::Local, cause, said);
    }

    /// CANCEL or BYE with this value of Reason; the user is told `cause` and `said`.
    pub(super) fn leave(
        &mut self,
        now: Instant,
        id: CallId,
        value: Option<Vec<u8>>,
        by: EndedBy,
        cause: EndCause,
        said: String,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match &mut call.phase {
            Phase::Outgoing(_) => {
                self.cancel(now, id, value);
                self.end(id, by, Some(487), cause, said);
            }
            Phase::Answering { .. } => {
                self.acknowledge_with(now, id, None);
                self.end(id, by, None, cause, said);
                self.close_with_bye(now, id, value.as_deref());
            }
            Phase::Up if call.unacknowledged.as_ref().is_some_and(|u| !u.again) => {
                call.phase = Phase::Leaving { reason: value };
                self.end(id, by, None, cause, said);
                self.drop_transfers(now, id);
            }
            Phase::Up => {
                self.end(id, by, None, cause, said);
                self.close_with_bye(now, id, value.as_deref());
            }
            Phase::Incoming(_) | Phase::Leaving { .. } | Phase::Closing => {}
        }
        self.settle_call(now, id);
    }

    /// Sends BYE and waits for its answer.
    pub(super) fn close_with_bye(&mut self, now: Instant, id: CallId, reason: Option<&[u8]>) {
        self.refuse_their_reoffer(now, id, 487);
        self.drop_transfers(now, id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = Phase::Closing;
            call.unacknowledged = None;
            call.our_reoffer = None;
            call.next_reoffer = None;
            call.timing.running = None;
        }
        if !self.send_bye(now, id, reason) {
            self.forget(id);
        }
    }

    /// CANCEL, as soon as there is something to cancel.
    pub(super) fn cancel(&mut self, now: Instant, id: CallId, reason: Option<Vec<u8>>) {
        let Some(Call {
            phase: Phase::Outgoing(outgoing),
            ..
        }) = self.calls.get_mut(&id).map(Box::as_mut)
        else {
            return;
        };
        if !matches!(outgoing.cancel, Cancel::No) {
            return;
        }
        let client = outgoing.client;
        if self.table.client_is_proceeding(client) {
            self.cancel_now(now, id, client, reason.as_deref());
        } else {
            outgoing.cancel = Cancel::Wanted { reason };
        }
    }

    pub(super) fn cancel_now(
        &mut self,
        now: Instant,
        id: CallId,
        client: ClientId,
        reason: Option<&[u8]>,
    ) {
        self.send_cancel(now, client, reason);
        let give_up_at = now + self.table.timers().give_up();
        if let Some(Call {
            phase: Phase::Outgoing(outgoing),
            ..
        }) = self.calls.get_mut(&id).map(Box::as_mut)
        {
            outgoing.cancel = Cancel::Sent { give_up_at };
        }
    }

    /// It rang for as long as the user wanted to wait.
    pub(super) fn stop_ringing(&mut self, now: Instant, id: CallId) {
        let Some(Call {
            phase: Phase::Outgoing(outgoing),
            ..
        }) = self.calls.get_mut(&id).map(Box::as_mut)
        else {
            return;
        };
        outgoing.ring_until = None;
        let seconds = outgoing.ring_timeout.as_secs_f32();
        self.cancel(now, id, None);
        let reason = format!("nobody answered within {seconds} s");
        self.end(id, EndedBy::Local, Some(408), EndCause::NoAnswer, reason);
    }

    /// The ACK that waited for the user's answer to the far end's offer.
    pub(super) fn acknowledge_with(&mut self, now: Instant, id: CallId, sdp: Option<Vec<u8>>) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Phase::Answering { invite, invite_seq } = call.phase else {
            return;
        };
        let Some(dialog) = call.dialog.clone() else {
            return;
        };
        call.phase = Phase::Up;
        call.described = sdp.clone();
        let path = self.paths.to(call, &dialog);
        self.send_ack(now, invite, path, &dialog, invite_seq, sdp);
        self.passed(now, id, Milestone::Confirmed);
        self.next_reoffer(now, id);
    }

    /// INFO within a call that is up.
    pub fn info(&mut self, now: Instant, id: CallId, content_type: &str, body: Vec<u8>) {
        let up = self
            .calls
            .get(&id)
            .is_some_and(|call| matches!(call.phase, Phase::Up));
        if !up {
            return self.tell(id, CallEvent::InfoAnswered { status: 503 });
        }
        if let Some((mut request, path)) = self.request_within(id, Method::Info) {
            request.body = body;
            let sent = match request.headers.try_push("Content-Type", content_type) {
                Ok(()) => self
                    .send_within(now, id, ClientKind::Info, path, request)
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = sent {
                tracing::warn!(%error, "an INFO was not sent");
                self.tell(id, CallEvent::InfoAnswered { status: 503 });
            }
        }
        self.settle_call(now, id);
    }
}
