// SPDX-License-Identifier: MPL-2.0
//! Responses to what we asked: INVITE and its forks (RFC 3261 §13.2.2), and all within a call.

use std::time::{Duration, Instant};

use super::call::{CallId, Cancel, Phase, refuses_info};
use super::receive::description;
use super::send::{ClientKind, ClientUse, reason_value};
use super::{CallEvent, EndCause, EndedBy, Endpoint, Milestone, Reason};
use crate::dialog::Dialog;
use crate::digest::AuthError;
use crate::transaction::ClientId;
use crate::wire::{Core, HeaderName, Headers, Method, Request, Response, reason_phrase};

/// The 2xx of so many forks are acknowledged; a flood of them is not.
const MAX_ANSWERS: usize = 32;

impl Endpoint {
    /// A response that its transaction found worth telling.
    pub(super) fn handle_delivered(
        &mut self,
        now: Instant,
        client: ClientId,
        response: &Response,
        core: &Core,
    ) {
        let Some(user) = self.table.client(client) else {
            return;
        };
        let (call, kind) = (user.call, user.kind);
        // The 2xx to an INVITE may come again, when its nonce has long been used.
        let again = !user.acks.is_empty();
        let status = response.status;
        if let ClientKind::Register(id) = kind {
            self.heard_of(now, client, response);
            return self.handle_registered(now, id, response, core);
        }
        if let ClientKind::Watch(id) = kind {
            return self.handle_watched(now, id, client, response);
        }
        let Some(id) = call else {
            return;
        };
        let mut kind = kind;
        if matches!(kind, ClientKind::Invite | ClientKind::PassedOver) {
            self.heard_of(now, client, response);
        }
        if (200..300).contains(&status)
            && !again
            && let Some(auth) = self.calls.get_mut(&id).and_then(|call| call.auth.as_mut())
        {
            auth.accepted(response);
        }
        self.served_elsewhere(now, client, id);
        if kind == ClientKind::PassedOver {
            if self.comes_late(now, client, id, status) {
                kind = ClientKind::Invite;
            } else if (200..300).contains(&status) {
                self.handle_2xx(now, client, id, kind, response, core);
            }
        }
        if kind == ClientKind::Invite {
            self.server_answers(id);
        }
        match (kind, status) {
            (ClientKind::Invite | ClientKind::Reinvite, 200..300) => {
                self.handle_2xx(now, client, id, kind, response, core);
            }
            (ClientKind::Invite, 100..200) => {
                self.handle_provisional(now, client, id, response, core);
            }
            (_, 100..200) | (ClientKind::Aside | ClientKind::PassedOver, _) => {}
            (ClientKind::UpdateOffer, 200..300) => {
                self.early_offer_answered(id, response, core);
                self.next_reoffer(now, id);
            }
            (_, 401 | 407) => match self.try_credentials(now, client, response) {
                Ok(()) => {}
                Err(reason) => match kind {
                    ClientKind::UpdateOffer => {
                        self.early_offer_refused(now, id, response, core, reason);
                    }
                    kind => self.handle_refusal(now, id, kind, status, reason),
                },
            },
            (ClientKind::Update, 200..300) => self.update_answered(now, id, response, core),
            (ClientKind::Invite | ClientKind::Reinvite | ClientKind::Update, 422)
                if self.ask_for_longer(now, client, id, response) => {}
            (ClientKind::Reinvite, 491) => {
                // Whoever sent the first INVITE made the Call-ID.
                let owner = self.calls.get(&id).is_some_and(|call| call.ours);
                self.reoffer_glared(now, id, owner);
            }
            (ClientKind::Refer, 200..300) => self.refer_accepted(id, response),
            (ClientKind::Subscribe, 200..300) => {
                self.subscription_refreshed(now, id, &response.headers);
            }
            (ClientKind::Notify, 200..300) => self.referrer_told(now, id, status),
            (ClientKind::Info, 200..300) => self.tell(id, CallEvent::InfoAnswered { status }),
            (_, 503) if self.refused_within(client, id, response, core) => {}
            (ClientKind::Prack, _) => self.prack_is_over(now, id, core),
            (ClientKind::Invite, 503) if self.refused_by_server(now, client, id) => {}
            (ClientKind::Invite, _) if self.goes_on_elsewhere(now, client, id, response, core) => {}
            (_, _) => self.handle_refused(now, id, kind, response, core),
        }
        self.settle_call(now, id);
    }

    /// A final response of 300 and above that nothing more can be made of.
    pub(super) fn handle_refused(
        &mut self,
        now: Instant,
        id: CallId,
        kind: ClientKind,
        response: &Response,
        core: &Core,
    ) {
        let status = response.status;
        let sentence = format!("the far end answered {status} {}", phrase(response));
        match kind {
            ClientKind::Invite => {
                self.far_end_says(id, &response.headers);
                self.handle_refusal(now, id, kind, status, sentence);
            }
            ClientKind::UpdateOffer => {
                self.early_offer_refused(now, id, response, core, sentence);
            }
            ClientKind::Prack => self.prack_is_over(now, id, core),
            kind => self.handle_refusal(now, id, kind, status, sentence),
        }
    }

    /// Sends the request again with the answers to its challenges.
    fn try_credentials(
        &mut self,
        now: Instant,
        client: ClientId,
        response: &Response,
    ) -> Result<(), String> {
        let lost = || "the call is over".to_owned();
        let user = self.table.client(client).ok_or_else(lost)?;
        let (id, attempts) = (user.call.ok_or_else(lost)?, user.attempts);
        let call = self.calls.get_mut(&id).ok_or_else(lost)?;
        let Some(auth) = &mut call.auth else {
            let status = response.status;
            return Err(format!(
                "the far end asks for a user name and password ({status})"
            ));
        };
        auth.challenged(response, attempts)
            .map_err(|error: AuthError| error.to_string())?;
        self.send_again(now, client, |_| {})
    }

    /// Sends a request that was refused once more, changed: a new transaction in the same place.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        client: ClientId,
        change: impl FnOnce(&mut Request),
    ) -> Result<(), String> {
        let lost = || "the call is over".to_owned();
        let user = self.table.client(client).ok_or_else(lost)?;
        let (path, kind, attempts) = (user.path, user.kind, user.attempts);
        let id = user.call.ok_or_else(lost)?;
        let mut request = user.request.clone();
        let call = self.calls.get_mut(&id).ok_or_else(lost)?;
        // Nobody waits any more for the INVITE that was cancelled.
        if matches!(&call.phase, Phase::Outgoing(o) if !matches!(o.cancel, Cancel::No)) {
            return Err(lost());
        }
        change(&mut request);
        request.headers.remove_top_via();
        if !call.renumber(&mut request) {
            return Err(lost());
        }
        if kind == ClientKind::Invite {
            self.forget_forks(id);
        }
        let again = self
            .start(now, id, kind, path, request, attempts + 1)
            .map_err(|error| error.to_string())?;
        self.restarted(id, kind, again);
        Ok(())
    }

    /// The request of a call goes on in another transaction.
    pub(super) fn restarted(&mut self, id: CallId, kind: ClientKind, again: ClientId) {
        if let Some(call) = self.calls.get_mut(&id)
            && let Phase::Outgoing(outgoing) = &mut call.phase
            && kind == ClientKind::Invite
        {
            outgoing.client = again;
        }
    }

    fn handle_2xx(
        &mut self,
        now: Instant,
        client: ClientId,
        id: CallId,
        kind: ClientKind,
        response: &Response,
        core: &Core,
    ) {
        let tag = core.to.tag().unwrap_or_default();
        let Some(user) = self.table.client(client) else {
            return;
        };
        if let Some(ack) = user.acks.iter().find(|ack| *ack.to_tag == *tag) {
            let (path, packet) = (ack.path, ack.packet.clone());
            return self.transmit(path, packet);
        }
        let request_uri = user.request.uri.clone();
        let seq = core.cseq.number;
        let answering = |call: &super::call::Call| {
            matches!(call.phase, Phase::Answering { invite, .. } if invite == client)
                && call
                    .dialog
                    .as_ref()
                    .is_some_and(|d| *d.id().remote_tag == *tag)
        };
        if self.calls.get(&id).is_some_and(|call| answering(call)) {
            // The user has not given its answer yet.
            return;
        }
        if kind == ClientKind::Reinvite {
            return self.handle_reinvite_2xx(now, client, id, response, core);
        }
        let mut dialog = Dialog::of_response(core, response, &request_uri);
        if kind == ClientKind::PassedOver {
            return self.hang_up_fork(now, client, id, dialog, core, response);
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return self.hang_up_fork(now, client, id, dialog, core, response);
        };
        let Phase::Outgoing(outgoing) = &mut call.phase else {
            return self.hang_up_fork(now, client, id, dialog, core, response);
        };
        let follows = outgoing.forks.follows(tag);
        let mut early = outgoing.forks.remove(tag);
        if let Some(early) = &mut early {
            early.dialog.confirm(core, response);
            dialog = early.dialog.clone();
        }
        let losers = outgoing.forks.drain();
        if !matches!(outgoing.cancel, Cancel::No) {
            // The answer and our CANCEL passed each other.
            call.phase = Phase::Closing;
            call.dialog = Some(dialog.clone());
            let path = self.paths.to(call, &dialog);
            self.send_ack(now, client, path, &dialog, seq, None);
            self.forget_losers(client, id, losers);
            return self.close_with_bye(now, id, None);
        }
        let has_offer = outgoing.has_offer;
        let mut sdp = description(&response.headers, &response.body);
        let mut settled = false;
        if let Some(early) = early {
            settled = early.settled;
            if settled && early.renegotiated && follows {
                // It is known, and no answer to our first offer any more.
                sdp = None;
            } else if settled {
                // Whatever else the 2xx says is to be ignored (§13.2.1).
                sdp = early.theirs.filter(|_| has_offer);
            } else {
                sdp = sdp.or(early.theirs);
            }
            call.updates = early.updates;
            call.described = early.described.or(call.described.take());
        }
        let agreed = has_offer || settled;
        call.phase = match agreed {
            true => Phase::Up,
            false => Phase::Answering {
                invite: client,
                invite_seq: seq,
            },
        };
        let target = dialog.remote_target();
        call.direct = target.host == request_uri.host && target.port == request_uri.port;
        call.dialog = Some(dialog.clone());
        let path = self.paths.to(call, &dialog);
        self.timer_answered(now, id, response);
        self.forget_losers(client, id, losers);
        self.drop_reoffers_of_others(now, id, |other| other == tag);
        self.index(id, dialog.id().key());
        self.passed(now, id, Milestone::Answered);
        if agreed {
            self.send_ack(now, client, path, &dialog, seq, None);
            self.passed(now, id, Milestone::Confirmed);
        }
        if refuses_info(&response.headers) {
            self.tell(id, CallEvent::NoInfo);
        }
        self.tell(id, CallEvent::Answered { sdp });
        self.next_reoffer(now, id);
    }

    /// No request finds the early dialogs that lost; a 2xx of theirs still may, until Timer M.
    fn forget_losers(&mut self, client: ClientId, id: CallId, losers: Vec<Dialog>) {
        for loser in &losers {
            self.unindex(id, loser.id());
        }
        if let Some(user) = self.table.client_mut(client) {
            user.lost.extend(losers);
        }
    }

    /// The INVITE is made again: what began with the former one is over.
    pub(super) fn forget_forks(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && let Phase::Outgoing(outgoing) = &mut call.phase
        {
            for fork in outgoing.forks.drain() {
                self.unindex(id, fork.id());
            }
        }
    }

    /// A 2xx that came too late or from a phone that was slower: acknowledged, then hung up.
    fn hang_up_fork(
        &mut self,
        now: Instant,
        client: ClientId,
        id: CallId,
        mut dialog: Dialog,
        core: &Core,
        response: &Response,
    ) {
        let Some(invite_path) = self.table.client_path(client) else {
            return;
        };
        let Some(user) = self.table.client_mut(client) else {
            return;
        };
        if user.acks.len() >= MAX_ANSWERS {
            tracing::debug!(remote = %invite_path.remote, "one answer too many to an INVITE was dropped");
            return;
        }
        if let Some(at) = user.lost.iter().position(|lost| lost.id() == dialog.id()) {
            dialog = user.lost.swap_remove(at);
            dialog.confirm(core, response);
        }
        let path = self.paths.from(invite_path, &dialog, false);
        self.send_ack(now, client, path, &dialog, core.cseq.number, None);
        let mut bye = dialog.request(Method::Bye);
        let reason = reason_value(&Reason::sip(200, "Call completed elsewhere"));
        bye.headers.push(HeaderName::Reason, reason);
        let _ = self.start(now, id, ClientKind::Aside, path, bye, 0);
    }

    fn handle_reinvite_2xx(
        &mut self,
        now: Instant,
        client: ClientId,
        id: CallId,
        response: &Response,
        core: &Core,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(dialog) = &mut call.dialog else {
            return;
        };
        dialog.refresh_target(core);
        let dialog = dialog.clone();
        let path = self.paths.to(call, &dialog);
        self.send_ack(now, client, path, &dialog, core.cseq.number, None);
        self.reoffer_answered(now, id, response, core);
    }

    /// A final response of 300 and above, or none at all (408).
    pub(super) fn handle_refusal(
        &mut self,
        now: Instant,
        id: CallId,
        kind: ClientKind,
        status: u16,
        sentence: String,
    ) {
        match kind {
            ClientKind::Invite => {
                self.refuse_their_reoffer(now, id, 487);
                let cause = EndCause::of_status(status);
                self.end(id, EndedBy::Remote, Some(status), cause, sentence);
                self.forget(id);
            }
            ClientKind::Reinvite | ClientKind::Info | ClientKind::Update | ClientKind::Refer
                if matches!(status, 408 | 481) =>
            {
                // The far end is gone, or knows nothing of this call (§12.2.1.2).
                self.lose(now, id, status, sentence);
            }
            ClientKind::Reinvite => {
                self.reoffer_refused(now, id, status, sentence);
            }
            ClientKind::Update => self.update_refused(now, id, status),
            ClientKind::Bye => self.forget(id),
            ClientKind::Info => self.tell(id, CallEvent::InfoAnswered { status }),
            ClientKind::Refer => self.refer_refused(id, status, sentence),
            // Only the subscription is at stake (RFC 6665 §4.2.2).
            ClientKind::Notify => self.referrer_told(now, id, status),
            ClientKind::Subscribe => self.subscription_refused(id, status),
            ClientKind::UpdateOffer
            | ClientKind::Prack
            | ClientKind::Aside
            | ClientKind::PassedOver
            | ClientKind::Register(_)
            | ClientKind::Watch(_) => {}
        }
    }

    /// No final response came to this.
    pub(super) fn handle_timed_out(&mut self, now: Instant, id: CallId, user: ClientUse) {
        if !self.calls.contains_key(&id) {
            return;
        }
        let remote = user.path.remote;
        let seconds = self.table.timers().give_up().as_secs();
        let reason = match user.kind {
            ClientKind::Invite => format!("{remote} did not answer our INVITE within {seconds} s"),
            _ => format!("{remote} did not answer within the call for {seconds} s"),
        };
        self.handle_failed(now, id, user, 408, reason);
    }

    /// A request had no effect: nobody is there. `reason` names the far end.
    pub(super) fn handle_unreachable(
        &mut self,
        now: Instant,
        id: CallId,
        user: &ClientUse,
        status: u16,
        reason: String,
    ) {
        match user.kind {
            ClientKind::Invite => {
                self.server_is_down(now, id, &reason);
                if self.next_server(now, id, &user.request, &reason) || self.next_target(now, id) {
                    return self.settle_call(now, id);
                }
                self.refuse_their_reoffer(now, id, 487);
                let cause = EndCause::Unreachable;
                self.end(id, EndedBy::Network, Some(status), cause, reason);
                self.forget(id);
            }
            ClientKind::Reinvite | ClientKind::Info | ClientKind::Update | ClientKind::Refer => {
                self.lose(now, id, status, reason);
            }
            ClientKind::UpdateOffer => match self.calls.get(&id).map(|call| &call.phase) {
                Some(Phase::Up) => self.lose(now, id, status, reason),
                _ => self.reoffer_refused(now, id, status, reason),
            },
            ClientKind::Bye => self.forget(id),
            // The far end sends its response again, or has sent the last one.
            ClientKind::Prack => {}
            ClientKind::Notify => self.referrer_told(now, id, status),
            ClientKind::Subscribe
            | ClientKind::Aside
            | ClientKind::PassedOver
            | ClientKind::Register(_)
            | ClientKind::Watch(_) => {}
        }
        self.settle_call(now, id);
    }

    /// Ends a call whose far end is gone; a BYE goes after it all the same.
    pub(super) fn lose(&mut self, now: Instant, id: CallId, status: u16, reason: String) {
        self.lose_because(now, id, status, reason, None);
    }

    /// [`lose`](Self::lose), with the Reason that the BYE gives.
    pub(super) fn lose_because(
        &mut self,
        now: Instant,
        id: CallId,
        status: u16,
        reason: String,
        said: Option<&Reason>,
    ) {
        if self
            .calls
            .get(&id)
            .is_none_or(|call| matches!(call.phase, Phase::Closing))
        {
            return;
        }
        self.end(id, EndedBy::Network, Some(status), EndCause::Lost, reason);
        let said = said.map(reason_value);
        self.close_with_bye(now, id, said.as_deref());
    }
}

/// The reason phrase, for people.
fn phrase(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.reason);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    match text.is_empty() {
        true => reason_phrase(response.status).to_owned(),
        false => text,
    }
}

/// How long the far end asks to be left alone; dates and comments are not for this.
pub(super) fn retry_after(headers: &Headers) -> Option<Duration> {
    let value = String::from_utf8_lossy(headers.get(HeaderName::RetryAfter)?);
    let digits: String = value
        .trim()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok().map(Duration::from_secs)
}
