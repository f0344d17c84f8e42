// SPDX-License-Identifier: MPL-2.0
//! A transfer that the phone refuses to make (REFER) and the worker makes in its place: the two phones meet
//! in a room that nobody else knows of, until one of them hangs up.

use std::sync::Arc;

use gstsipbridge::call::TransferState;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::timeout;

use super::dialout::{self, DialRequest};
use super::outage::JOIN_WITHIN;
use super::table::{CallInfo, Control, Event, State};
use super::transfer::{self, TransferTarget};
use crate::sfu::{Participant, Sfu};
use crate::worker::Worker;

/// What the far end of a call says when it will not be transferred; other statuses say that something is
/// wrong with the call itself.
pub(super) fn is_refusal(code: u16) -> bool {
    (400..700).contains(&code) && !matches!(code, 401 | 407 | 408 | 481 | 487 | 491)
}

/// Brings the phone of a call together with its target.
pub(super) fn begin(worker: &Arc<Worker>, call: &CallInfo, target: &TransferTarget, refusal: &str) {
    let meeting = Meeting {
        worker: worker.clone(),
        phone: call.id.clone(),
        // A number, for some SFUs know no other rooms.
        room: rand::random_range(10_u64.pow(14)..10_u64.pow(15)).to_string(),
    };
    match target {
        TransferTarget::Call(other) => {
            let there = worker.calls.get(other).map(|there| there.sfu);
            let sfu = worker.sfu(Some(&call.sfu));
            match sfu.filter(|_| there.as_ref() == Some(&call.sfu)) {
                Some(sfu) => {
                    tracing::info!(
                        call = call.id,
                        other,
                        why = refusal,
                        "its phone is not transferred: the worker joins the two"
                    );
                    meeting.tell(TransferState::Trying, 100, refusal);
                    let other = other.clone();
                    tokio::spawn(async move { meeting.joins(sfu, other).await });
                }
                None => {
                    let why = format!("{refusal}; and the other call is over, or with another SFU");
                    meeting.tell(TransferState::Failed, 0, &why);
                }
            }
        }
        TransferTarget::Uri(uri) => {
            let wanted = DialRequest {
                to: uri.clone(),
                room: meeting.room.clone(),
                trunk: Some(call.trunk.clone()).filter(|trunk| !trunk.is_empty()),
                sfu: Some(call.sfu.clone()),
                ..DialRequest::default()
            };
            match dialout::dial(worker, wanted) {
                Ok(new) => {
                    tracing::info!(
                        call = call.id,
                        new = new.id,
                        to = uri,
                        why = refusal,
                        "its phone is not transferred: the worker calls in its place"
                    );
                    meeting.tell(TransferState::Trying, 100, refusal);
                    tokio::spawn(async move { meeting.calls(new.id).await });
                }
                Err(problem) => {
                    let why = format!(
                        "{refusal}; and the worker may not call there: {}",
                        problem.error
                    );
                    meeting.tell(TransferState::Failed, 0, &why);
                }
            }
        }
    }
}

/// The room in which two calls meet, and the first of them.
struct Meeting {
    worker: Arc<Worker>,
    phone: String,
    room: String,
}

impl Meeting {
    /// With a call that is being placed into the room.
    async fn calls(self, new: String) {
        let mut events = self.worker.calls.subscribe();
        let mut last = State::Joining;
        loop {
            let Some(call) = self.worker.calls.get(&new) else {
                return;
            };
            if self.is_over(&self.phone) {
                self.hang_up(&new, "the phone that was to be joined with it hung up");
                return;
            }
            match call.state {
                State::Ringing if last < State::Ringing => {
                    self.tell(TransferState::Ringing, 180, "Ringing");
                }
                State::Active => break,
                State::Ended => {
                    let why = call.why.unwrap_or_default();
                    return self.tell(TransferState::Failed, call.code.unwrap_or(0), &why);
                }
                _ => {}
            }
            last = call.state;
            if !more(&mut events).await {
                return;
            }
        }
        let phone = [self.phone.clone()];
        self.meet(&new, events, &phone).await;
    }

    /// With a call that is up, in a room of its own.
    async fn joins(self, sfu: Arc<dyn Sfu>, other: String) {
        let events = self.worker.calls.subscribe();
        // Before anybody leaves where they are, the room is there.
        let usher = Participant {
            id: "transfer".to_owned(),
            ..Participant::default()
        };
        let usher = match timeout(JOIN_WITHIN, sfu.join(&self.room, usher)).await {
            Ok(Ok(joined)) => joined.session,
            Ok(Err(error)) => return self.tell(TransferState::Failed, 0, &error.to_string()),
            Err(_) => return self.tell(TransferState::Failed, 0, "the SFU lets nobody in"),
        };
        let both = [self.phone.clone(), other.clone()];
        self.meet(&other, events, &both).await;
        usher.leave().await;
    }

    /// Those who are elsewhere enter; from then on what ends one of the calls ends the other.
    async fn meet(&self, other: &str, mut events: Receiver<Event>, elsewhere: &[String]) {
        let calls = &self.worker.calls;
        for id in elsewhere {
            calls.ask(id, Control::Enter(self.room.clone()));
        }
        let is_in = |id: &String| {
            let call = calls.get(id);
            call.is_some_and(|call| call.room == self.room && call.away.is_none())
        };
        let mut told = false;
        while !self.is_over(&self.phone) && !self.is_over(other) {
            if !told && elsewhere.iter().all(is_in) {
                told = true;
                self.tell(TransferState::Succeeded, 200, "the worker joined the two");
            }
            if !more(&mut events).await {
                return;
            }
        }
        let why = "the phone that it was joined with hung up";
        self.hang_up(&self.phone, why);
        self.hang_up(other, why);
    }

    fn hang_up(&self, id: &str, why: &str) {
        // Whoever is over already takes no note.
        self.worker.calls.ask(id, Control::HangUp(why.to_owned()));
    }

    fn is_over(&self, id: &str) -> bool {
        let call = self.worker.calls.get(id);
        call.is_none_or(|call| call.state == State::Ended)
    }

    fn tell(&self, state: TransferState, code: u16, reason: &str) {
        transfer::tell(
            &self.worker.calls,
            &self.phone,
            state,
            code,
            reason.to_owned(),
        );
    }
}

/// Waits for something to happen. Whoever lags has missed nothing that the table does not tell.
async fn more(events: &mut Receiver<Event>) -> bool {
    !matches!(events.recv().await, Err(RecvError::Closed))
}
