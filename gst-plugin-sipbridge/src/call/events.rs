// SPDX-License-Identifier: MPL-2.0
//! What the far end does in a call, and what the call makes of it.

use std::sync::Weak;
use std::time::Instant;

use sip_ua::agent::{self, CallEvent, CallEvents};

use super::{Call, CallEnd, CallNotice, CallState, EndedBy};
use crate::session::SessionError;

/// Takes events until the call ends or nobody holds it any more, and sends the digits that travel
/// with the signalling.
pub(super) async fn run(call: Weak<Call>, mut events: CallEvents) {
    let Some(wake) = call.upgrade().map(|call| call.wake.clone()) else {
        return;
    };
    let mut due: Option<Instant> = None;
    loop {
        let until_due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => Some(event),
                None => return,
            },
            () = wake.notified() => None,
            () = until_due => None,
        };
        let Some(call) = call.upgrade() else { return };
        if let Some(event) = event {
            call.on_event(event);
        }
        due = call.send_info(Instant::now());
    }
}

impl Call {
    fn on_event(&self, event: CallEvent) {
        match event {
            CallEvent::Progress { status, sdp } => self.on_progress(status, sdp),
            CallEvent::Answered { sdp } => self.on_answered(sdp),
            CallEvent::Confirmed { sdp } => self.on_confirmed(sdp),
            CallEvent::Reoffer { sdp: Some(offer) } => self.on_reoffer(&offer),
            CallEvent::Reoffer { sdp: None } => self.on_offer_wanted(),
            CallEvent::ReofferAnswered { sdp } => self.on_reoffer_answered(sdp),
            CallEvent::ReofferRefused { status, reason } => {
                self.on_reoffer_refused(status, &reason)
            }
            CallEvent::Refreshed { sdp } => self.on_refreshed(sdp),
            CallEvent::Info { content_type, body } => self.on_info(&content_type, &body),
            CallEvent::InfoAnswered { status } => self.on_info_answered(status),
            CallEvent::NoInfo => self.lock().info.refuse(),
            CallEvent::Transfer(news) => self.on_transfer(news),
            CallEvent::TransferRequested(request) => {
                self.notify(&CallNotice::TransferRequested(request));
            }
            CallEvent::Ended(end) => self.on_ended(end),
            _ => {}
        }
    }

    fn on_progress(&self, status: u16, sdp: Option<Vec<u8>>) {
        // Early media that cannot be agreed on is no reason to give up: the 200 decides.
        let early = sdp.is_some_and(|answer| self.take_answer(Some(answer), false).is_ok());
        if early {
            self.advance(CallState::EarlyMedia, status, "Session Progress");
        } else {
            self.advance(CallState::Ringing, status, "Ringing");
        }
    }

    fn on_answered(&self, sdp: Option<Vec<u8>>) {
        let early = self.negotiated().is_some();
        match sdp {
            None if early => self.settle(),
            answer => {
                if let Err(error) = self.take_answer(answer, true) {
                    return self.give_up(&error);
                }
            }
        }
        self.advance(CallState::Answered, 200, "OK");
    }

    fn on_confirmed(&self, sdp: Option<Vec<u8>>) {
        if self.awaits_answer()
            && let Err(error) = self.take_answer(sdp, true)
        {
            self.give_up(&error);
        }
    }

    fn on_reoffer(&self, offer: &[u8]) {
        let before = self.negotiated();
        let answer = self.answer_offer(offer);
        let Some(handle) = self.handle() else { return };
        match answer {
            Ok((answer, negotiated)) => {
                handle.answer_reoffer(Ok(answer));
                // A session that is merely refreshed is no news.
                if before.as_ref() != Some(&negotiated) {
                    self.apply(negotiated);
                }
            }
            Err(error) => {
                tracing::warn!(call = self.name(), %error, "re-offer refused");
                handle.answer_reoffer(Err(error.sip_code()));
            }
        }
    }

    fn on_offer_wanted(&self) {
        if let (Some(offer), Some(handle)) = (self.first_offer(), self.handle()) {
            handle.answer_reoffer(Ok(offer));
        }
    }

    fn on_reoffer_answered(&self, sdp: Option<Vec<u8>>) {
        if let Err(error) = self.take_answer(sdp, true) {
            self.give_up(&error);
        }
    }

    /// A mere refresh: no news, unless the far end's answer differs from its last.
    fn on_refreshed(&self, sdp: Option<Vec<u8>>) {
        let Some(answer) = sdp else { return };
        match self.refreshed(&answer) {
            Ok(Some(negotiated)) => self.apply(negotiated),
            Ok(None) => {}
            // What was agreed on before is still in force.
            Err(error) => tracing::warn!(call = self.name(), %error, "answer to a refresh ignored"),
        }
    }

    fn on_reoffer_refused(&self, status: u16, reason: &str) {
        tracing::warn!(
            call = self.name(),
            status,
            reason,
            "our re-offer was refused"
        );
        self.settle();
        self.revert_hold();
    }

    /// The SIP side stands, the media side cannot: say so and hang up.
    fn give_up(&self, error: &SessionError) {
        let reason = format!("no media could be agreed on: {error}");
        // 488 whatever is wrong with the SDP: the 400 that a broken offer gets is no verdict on an answer.
        self.hangup_because(EndedBy::Network, 488, &reason);
    }

    fn on_ended(&self, end: agent::End) {
        let by = match end.by {
            // Given up by a timer, not by a person.
            agent::EndedBy::Local if end.cause == agent::EndCause::NoAnswer => EndedBy::Network,
            agent::EndedBy::Local => EndedBy::Local,
            agent::EndedBy::Remote => EndedBy::Remote,
            agent::EndedBy::Network => EndedBy::Network,
        };
        let was_answered = self.state() == CallState::Answered;
        self.finish(CallEnd {
            by,
            code: end.status,
            reason: end.reason,
            was_answered,
        });
    }
}
