// SPDX-License-Identifier: MPL-2.0
//! 101–199 to an INVITE of ours, and the PRACKs to those that are reliable (RFC 3262 §4).

use std::time::Instant;

use super::call::{CallId, Cancel, Phase};
use super::receive::description;
use super::referred::REPLACES;
use super::send::ClientKind;
use super::{CallEvent, EndCause, EndedBy, Endpoint, Milestone};
use crate::dialog::SessionTimer;
use crate::transaction::ClientId;
use crate::wire::{CSeq, Core, HeaderName, Method, RAck, Response, rseq};

/// The option tag.
pub(super) const OPTION: &str = "100rel";

/// The value of a Supported header outside a dialog.
pub(super) fn supported() -> String {
    format!("{}, {OPTION}, {REPLACES}", SessionTimer::OPTION)
}

/// Early Dialog Terminated (RFC 6228).
const TERMINATED: u16 = 199;

impl Endpoint {
    pub(super) fn handle_provisional(
        &mut self,
        now: Instant,
        client: ClientId,
        id: CallId,
        response: &Response,
        core: &Core,
    ) {
        let user = self.table.client(client);
        let Some(request_uri) = user.map(|user| user.request.uri.clone()) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Phase::Outgoing(outgoing) = &mut call.phase else {
            return;
        };
        if let Cancel::Wanted { reason } = &mut outgoing.cancel {
            let reason = reason.take();
            return self.cancel_now(now, id, client, reason.as_deref());
        }
        // What is cancelled needs no PRACK: a final response follows.
        let cancelled = !matches!(outgoing.cancel, Cancel::No);
        if cancelled || response.status == 100 || !call.rings.take(now) {
            return;
        }
        let status = response.status;
        let tag = core.to.tag();
        if status == TERMINATED {
            return self.fork_is_over(now, id, tag.unwrap_or_default());
        }
        let mut sdp = description(&response.headers, &response.body);
        let reliable = rseq(&response.headers)
            .filter(|_| tag.is_some() && response.headers.lists(HeaderName::Require, OPTION));
        let offerless = !outgoing.has_offer;
        // One offer at a time: the user answers them without a name. This one comes again.
        let busy = call.their_reoffer.is_some() || outgoing.forks.is_offered();
        if reliable.is_some() && offerless && sdp.is_some() && busy {
            return;
        }
        let Some(early) = outgoing.forks.of_response(core, response, &request_uri) else {
            // A fork too many is not heard of again before it answers.
            if reliable.is_none() && tag.is_none() {
                self.tell_progress(now, id, status, sdp);
            }
            return;
        };
        if reliable.is_some_and(|rseq| !early.expects(rseq)) {
            return;
        }
        early.updates.learn(&response.headers);
        let mut offer = None;
        let mut acknowledge = None;
        if let Some(rseq) = reliable {
            early.took(rseq);
            acknowledge = Some(rseq);
        }
        match (&sdp, early.settled) {
            // Only the first answer is one (§13.2.1).
            (Some(_), true) => sdp = None,
            (Some(_), false) => {
                early.theirs = sdp.clone();
                if reliable.is_some() && offerless {
                    early.offered = acknowledge.take();
                    offer = sdp.take();
                } else {
                    early.settled = reliable.is_some();
                }
            }
            (None, _) => {}
        }
        let dialog_id = early.dialog.id().clone();
        if sdp.is_some() || offer.is_some() {
            outgoing.forks.follow(&dialog_id.remote_tag);
        }
        self.index(id, dialog_id.key());
        if let Some(rseq) = acknowledge {
            self.send_prack(now, id, &dialog_id.remote_tag, rseq, None);
        }
        self.tell_progress(now, id, status, sdp);
        if offer.is_some() {
            self.tell(id, CallEvent::Reoffer { sdp: offer });
        }
        self.next_reoffer(now, id);
    }

    fn tell_progress(&mut self, now: Instant, id: CallId, status: u16, sdp: Option<Vec<u8>>) {
        self.passed(now, id, Milestone::Ringing);
        self.tell(id, CallEvent::Progress { status, sdp });
    }

    /// The PRACK to this response of this fork, with our answer where it carried an offer.
    fn send_prack(
        &mut self,
        now: Instant,
        id: CallId,
        tag: &[u8],
        rseq: u32,
        answer: Option<Vec<u8>>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Phase::Outgoing(outgoing) = &mut call.phase else {
            return;
        };
        let invite = self.table.client(outgoing.client);
        let cseq = invite
            .and_then(|invite| invite.request.headers.get(HeaderName::CSeq))
            .and_then(|cseq| CSeq::parse(cseq).ok());
        let (Some(cseq), Some(early)) = (cseq, outgoing.forks.get_mut(tag)) else {
            return;
        };
        let mut request = early.dialog.request(Method::Prack);
        early.pracking = true;
        let rack = RAck { rseq, cseq };
        request.headers.push(HeaderName::RAck, rack.to_bytes());
        if let Some(answer) = answer {
            request
                .headers
                .push(HeaderName::ContentType, "application/sdp");
            request.body = answer;
        }
        let dialog = early.dialog.clone();
        let path = self.paths.to(call, &dialog);
        if let Err(error) = self.send_within(now, id, ClientKind::Prack, path, request) {
            tracing::warn!(%error, "a PRACK was not sent");
        }
    }

    /// A final response to a PRACK of ours. What it says concerns that fork only.
    pub(super) fn prack_is_over(&mut self, now: Instant, id: CallId, core: &Core) {
        if let Some(call) = self.calls.get_mut(&id)
            && let Phase::Outgoing(outgoing) = &mut call.phase
            && let Some(early) = outgoing.forks.get_mut(core.to.tag().unwrap_or_default())
        {
            early.pracking = false;
        }
        self.next_reoffer(now, id);
    }

    /// The user's answer to an offer that a reliable response brought: it goes with the PRACK. False if
    /// there is no such offer.
    pub(super) fn answer_early_offer(
        &mut self,
        now: Instant,
        id: CallId,
        answer: &Result<Vec<u8>, u16>,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        let Phase::Outgoing(outgoing) = &mut call.phase else {
            return false;
        };
        let Some(early) = outgoing.forks.offering_mut() else {
            return false;
        };
        let Some(rseq) = early.offered.take() else {
            return false;
        };
        let tag: Box<[u8]> = early.tag().into();
        match answer {
            Ok(sdp) => {
                early.settled = true;
                early.described = Some(sdp.clone());
                self.send_prack(now, id, &tag, rseq, Some(sdp.clone()));
            }
            // A PRACK cannot refuse (RFC 6337 §2.1): without media there is no call.
            Err(status) => {
                let status = *status;
                self.cancel(now, id, None);
                let reason = "this side could not use the offer of the far end".to_owned();
                self.end(id, EndedBy::Local, Some(status), EndCause::Media, reason);
            }
        }
        true
    }

    /// 199: nobody answers there any more; other forks go on.
    fn fork_is_over(&mut self, now: Instant, id: CallId, tag: &[u8]) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Phase::Outgoing(outgoing) = &mut call.phase else {
            return;
        };
        let Some(early) = outgoing.forks.remove(tag) else {
            return;
        };
        let over = early.dialog.id().clone();
        self.unindex(id, &over);
        if early.offered.is_some() {
            self.tell(id, CallEvent::ReofferWithdrawn);
        }
        self.drop_reoffers_of_others(now, id, |other| *other != *over.remote_tag);
    }
}
