// SPDX-License-Identifier: MPL-2.0
//! Transfers: we ask a phone to call somebody else, or a phone asks us to call somebody in its place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use gstsipbridge::call::{self, Call as Leg, TransferRequest, TransferState, TransferTo};
use serde::{Deserialize, Serialize};
use sip_ua::agent::CallId;
use sip_ua::wire::{HeaderName, Uri};
use tokio::time::timeout;

use super::dialin::user_of;
use super::dialout::{self, DialRequest};
use super::table::{CallInfo, CallTable, Control, State};
use crate::config::Answer;
use crate::problem::Problem;
use crate::route::{Decision, Refusal};
use crate::worker::Worker;

/// A phone that was told that its transfer succeeded hangs up. It is given this long to do so.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// The body of `POST /v1/calls/{id}/transfer`: one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferWish {
    /// Whom the phone is to call: a number, or a `sip:` URI at the trunk's own host. For the phone of a
    /// user also any other URI; what is none is an address here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The id of another call: the two phones are joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// How a transfer of a call goes, as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferInfo {
    /// The URI, or the id of the other call.
    pub to: String,
    /// `trying`, `ringing`, `succeeded` or `failed`.
    pub state: String,
    /// The SIP status behind it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// One sentence, or its phrase.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl TransferInfo {
    /// Whether the phone tells of it: then another one is not begun.
    fn is_under_way(&self) -> bool {
        let last = [TransferState::Succeeded, TransferState::Failed];
        self.code.is_some() && last.iter().all(|last| last.as_str() != self.state)
    }
}

/// Whom a phone is asked to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferTarget {
    /// A URI.
    Uri(String),
    /// The phone of this call of ours.
    Call(String),
}

impl TransferTarget {
    /// As the API shows it.
    pub(super) fn shown(&self) -> &str {
        match self {
            TransferTarget::Uri(text) | TransferTarget::Call(text) => text,
        }
    }

    /// As the phone leg takes it; none where there is no such call any more.
    pub(super) fn resolve(&self) -> Option<TransferTo> {
        match self {
            TransferTarget::Uri(uri) => Uri::parse(uri.as_bytes()).ok().map(TransferTo::Uri),
            TransferTarget::Call(id) => call::find(id)?.as_target(),
        }
    }
}

/// What to ask the phone of a call for, where it may be asked.
pub fn wanted(worker: &Worker, id: &str, wish: TransferWish) -> Result<Control, Problem> {
    let bad = |error: &str, hint: &str| Problem::new(StatusCode::BAD_REQUEST, error, hint);
    let conflict = |error: &str, hint: &str| Problem::new(StatusCode::CONFLICT, error, hint);
    let call = worker
        .calls
        .get(id)
        .ok_or_else(|| Problem::no_such_call(id))?;
    if call.state < State::Active {
        return Err(conflict(
            "the call is not answered yet",
            "transfer it once its state is active",
        ));
    }
    if call
        .transfer
        .as_ref()
        .is_some_and(TransferInfo::is_under_way)
    {
        return Err(conflict(
            "a transfer of this call is under way",
            "GET /v1/calls/{id} tells how it goes",
        ));
    }
    let target = match (wish.to, wish.call) {
        (Some(to), None) => TransferTarget::Uri(address(worker, &call, &to)?.to_string()),
        (None, Some(other)) if other == id => {
            return Err(bad(
                "a phone cannot be joined with itself",
                "name the other call",
            ));
        }
        (None, Some(other)) => {
            let there = worker.calls.get(&other);
            match there.map(|there| there.state) {
                Some(State::Active) => TransferTarget::Call(other),
                Some(_) => {
                    return Err(conflict(
                        "the other call is not active",
                        "wait until it is answered, or transfer to its number",
                    ));
                }
                None => return Err(Problem::no_such_call(&other)),
            }
        }
        _ => return Err(bad("one of `to` and `call` is needed", "send one of them")),
    };
    Ok(Control::Transfer(target))
}

/// What the phone of a call is told to call: through a trunk only what we would call there ourselves,
/// for whoever pays for it may be us.
fn address(worker: &Worker, call: &CallInfo, to: &str) -> Result<Uri, Problem> {
    let Some(user) = &call.user else {
        return dialout::address(worker, &call.trunk, to);
    };
    match Uri::parse(to.as_bytes()) {
        Ok(uri) => Ok(uri),
        Err(_) => {
            let phones = worker.agent.bindings(user);
            let towards = phones
                .first()
                .map_or(IpAddr::from([127, 0, 0, 1]), |phone| phone.hop.addr.ip());
            let host = dialout::our_host(worker, towards)?;
            Uri::parse(format!("sip:{to}@{host}").as_bytes()).map_err(|error| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    error.to_string(),
                    "for example a user's name",
                )
            })
        }
    }
}

/// Asks the phone of a call.
pub(super) fn ask(worker: &Worker, id: &str, leg: Option<&Arc<Leg>>, target: &TransferTarget) {
    let mut transfer = TransferInfo {
        to: target.shown().to_owned(),
        state: TransferState::Trying.as_str().to_owned(),
        code: None,
        why: String::new(),
    };
    let asked = target.resolve().zip(leg);
    if asked.is_none() {
        transfer.state = TransferState::Failed.as_str().to_owned();
        transfer.why = "the other call is over".to_owned();
    }
    worker
        .calls
        .update(id, |info| info.transfer = Some(transfer));
    if let Some((to, leg)) = asked {
        leg.transfer(to);
    }
}

/// Takes note of how the transfer of a call goes.
pub(super) fn tell(calls: &CallTable, id: &str, state: TransferState, code: u16, reason: String) {
    calls.update(id, |info| {
        if let Some(transfer) = &mut info.transfer {
            transfer.state = state.as_str().to_owned();
            transfer.code = Some(code).filter(|code| *code != 0);
            transfer.why = reason;
        }
    });
}

/// A phone asks us to call somebody in its place. It is one that may, so we do, by its own trunk (for a
/// user's phone another user, or the first trunk that reaches whom it names) and under all that bounds calls there; the answer goes to the phone.
pub(super) fn take(
    worker: &Arc<Worker>,
    leg: &Arc<Leg>,
    info: &CallInfo,
    request: &TransferRequest,
) {
    if request.to.user.is_none() {
        return leg.answer_transfer(Err(404));
    }
    let own = [
        (
            HeaderName::Replaces,
            request
                .replaces
                .as_ref()
                .map(|replaces| replaces.to_bytes()),
        ),
        (HeaderName::ReferredBy, request.referred_by.clone()),
    ];
    let headers: BTreeMap<String, String> = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), String::from_utf8(value?).ok()?)))
        .collect();
    let wanted = DialRequest {
        to: user_of(&request.to),
        room: info.room.clone(),
        // A user's phone has none: it calls as the API does.
        trunk: Some(info.trunk.clone()).filter(|trunk| !trunk.is_empty()),
        sfu: Some(info.sfu.clone()),
        headers,
        ..DialRequest::default()
    };
    match dialout::dial(worker, wanted) {
        Ok(new) => {
            tracing::info!(
                call = info.id,
                new = new.id,
                to = new.to,
                "call transferred by its phone"
            );
            leg.answer_transfer(Ok(()));
            let (worker, leg) = (worker.clone(), Arc::downgrade(leg));
            tokio::spawn(follow(worker, leg, info.id.clone(), new.id));
        }
        Err(problem) => {
            tracing::info!(call = info.id, to = %request.to, why = problem.error, "transfer refused");
            let code = match problem.status {
                StatusCode::FORBIDDEN => 403,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => 503,
                _ => 603,
            };
            leg.answer_transfer(Err(code));
        }
    }
}

/// Tells the phone of the old call how the new one goes, and sees it off when that is answered.
async fn follow(worker: Arc<Worker>, leg: Weak<Leg>, old: String, new: String) {
    let mut events = worker.calls.subscribe();
    let mut last = State::Joining;
    loop {
        let Some(call) = worker.calls.get(&new) else {
            return;
        };
        let Some(leg) = leg.upgrade() else { return };
        match call.state {
            State::Ringing if last < State::Ringing => leg.notify_transfer(180, None),
            State::Active => {
                leg.notify_transfer(200, None);
                break;
            }
            State::Ended => {
                let code = call.code.filter(|code| *code >= 300);
                return leg.notify_transfer(code.unwrap_or(480), None);
            }
            _ => {}
        }
        last = call.state;
        drop(leg);
        // Whoever lags has missed nothing that the table does not tell.
        if let Err(tokio::sync::broadcast::error::RecvError::Closed) = events.recv().await {
            return;
        }
    }
    let gone = async {
        loop {
            let state = worker.calls.get(&old).map(|call| call.state);
            if state.is_none_or(|state| state == State::Ended) {
                return;
            }
            if let Err(tokio::sync::broadcast::error::RecvError::Closed) = events.recv().await {
                return;
            }
        }
    };
    if timeout(LEAVES_WITHIN, gone).await.is_err() {
        let why = format!("its phone was transferred: call {new} took its place");
        worker.calls.ask(&old, Control::HangUp(why));
    }
}

/// Where a call goes that takes the place of another: into its room, at once.
pub(super) fn instead_of(
    worker: &Worker,
    replaced: CallId,
    may: bool,
    from: &str,
) -> Result<Decision, Refusal> {
    let refuse = |code: u16, why: &str| Refusal {
        code,
        why: why.to_owned(),
    };
    if !may {
        let why = "it would take the place of another call, and its trunk or user has no accept_transfers";
        return Err(refuse(603, why));
    }
    let leg = call::find_by_id(replaced);
    let info = leg.and_then(|leg| worker.calls.get(leg.name()));
    let Some(info) = info.filter(|info| info.state != State::Ended) else {
        return Err(refuse(481, "the call whose place it would take is over"));
    };
    Ok(Decision {
        room: info.room,
        participant: dialout::as_name(from),
        sfu: Some(info.sfu),
        answer: Answer::AtOnce,
    })
}
