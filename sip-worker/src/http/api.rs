// SPDX-License-Identifier: MPL-2.0
//! What can be asked of a worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::text;
use crate::calls::{self, CallInfo, Control, DialRequest, TransferWish};
use crate::problem::Problem;
use crate::worker::Worker;

type Shared = State<Arc<Worker>>;
type Told = Result<(StatusCode, Json<CallInfo>), Problem>;

const COMMANDS: &str = "it has accept, decline, dtmf, hold, unhold, mute, unmute and transfer";

/// All of this for programs, as OpenAPI describes it; kept true by a test.
pub const OPENAPI: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// `GET /healthz`: the process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: it would take a call now.
pub async fn readyz(State(worker): Shared) -> Response {
    match worker.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(why) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            why,
            "wait, or look into the log",
        )
        .into_response(),
    }
}

/// `GET /v1/calls`
pub async fn calls(State(worker): Shared) -> Json<serde_json::Value> {
    Json(json!({ "calls": worker.calls.list() }))
}

/// `GET /v1/calls/{id}`
pub async fn call(
    State(worker): Shared,
    Path(id): Path<String>,
) -> Result<Json<CallInfo>, Problem> {
    worker
        .calls
        .get(&id)
        .map(Json)
        .ok_or_else(|| Problem::no_such_call(&id))
}

/// `POST /v1/calls`
pub async fn dial(State(worker): Shared, body: Bytes) -> Told {
    let wanted: DialRequest = parse(&body)?;
    checked(&wanted)?;
    let call = calls::dial(&worker, wanted)?;
    Ok((StatusCode::CREATED, Json(call)))
}

/// `DELETE /v1/calls/{id}`
pub async fn hang_up(State(worker): Shared, Path(id): Path<String>) -> Told {
    tell(
        &worker,
        &id,
        Control::HangUp("hung up through the API".to_owned()),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dtmf {
    digits: String,
    ms: Option<u32>,
}

/// `POST /v1/calls/{id}/{what}`
pub async fn ask(
    State(worker): Shared,
    Path((id, what)): Path<(String, String)>,
    body: Bytes,
) -> Told {
    let control = match what.as_str() {
        "dtmf" => dtmf(&body)?,
        "accept" => return settle(&worker, &id, Control::Accept),
        "decline" => {
            let why = "declined through the API".to_owned();
            return settle(&worker, &id, Control::Decline(why));
        }
        "transfer" => {
            let wish: TransferWish = parse(&body)?;
            if let Some(to) = &wish.to {
                text::one_line("to", to)?;
            }
            calls::transfer(&worker, &id, wish)?
        }
        "mute" => Control::Mute(true),
        "unmute" => Control::Mute(false),
        "hold" | "unhold" => {
            answered(&worker, &id)?;
            Control::Hold(what == "hold")
        }
        _ => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "a call has no such command",
                COMMANDS,
            ));
        }
    };
    tell(&worker, &id, control)
}

/// `GET /v1/rooms`: the rooms that calls of this worker are in.
pub async fn rooms(State(worker): Shared) -> Json<serde_json::Value> {
    let mut rooms: BTreeMap<(String, String), Vec<serde_json::Value>> = BTreeMap::new();
    for call in worker
        .calls
        .list()
        .into_iter()
        .filter(|call| call.state != calls::State::Ended)
    {
        let member =
            json!({ "call": call.id, "participant": call.participant, "state": call.state });
        rooms.entry((call.sfu, call.room)).or_default().push(member);
    }
    let rooms: Vec<_> = rooms
        .into_iter()
        .map(|((sfu, room), calls)| json!({ "sfu": sfu, "room": room, "calls": calls }))
        .collect();
    Json(json!({ "rooms": rooms }))
}

/// `GET /v1/registrations`: where this worker is registered, who is registered here, and which trunks answer.
pub async fn registrations(State(worker): Shared) -> Json<serde_json::Value> {
    Json(json!({
        "trunks": worker.registrations.list(),
        "watched": worker.watches.list(),
        "users": worker.users(),
    }))
}

/// Any other path.
pub async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", uri.path()),
        "the API begins with /v1/",
    )
}

/// Before there is a dialog there is nothing to hold.
fn answered(worker: &Worker, id: &str) -> Result<(), Problem> {
    match worker.calls.get(id).map(|call| call.state) {
        Some(calls::State::Joining | calls::State::Dialling | calls::State::Ringing) => {
            Err(Problem::new(
                StatusCode::CONFLICT,
                "the call is not answered yet",
                "hold it once its state is active",
            ))
        }
        _ => Ok(()),
    }
}

/// What a body with digits asks for.
pub(super) fn dtmf(body: &[u8]) -> Result<Control, Problem> {
    let wanted: Dtmf = parse(body)?;
    Ok(Control::Dtmf {
        digits: text::digits(&wanted.digits)?.to_owned(),
        ms: wanted.ms.unwrap_or(calls::DIGIT_MS).clamp(40, 2000),
    })
}

/// Accepts or declines a call that rings in browsers, once.
pub(super) fn settle(worker: &Worker, id: &str, what: Control) -> Told {
    let call = worker.calls.get(id);
    let call = call.ok_or_else(|| Problem::no_such_call(id))?;
    if worker.calls.settle(id, what) {
        return Ok((StatusCode::ACCEPTED, Json(call)));
    }
    let error = match call.state {
        calls::State::Ended => "the call is over".to_owned(),
        state => format!(
            "nobody need accept the call (any more); it is {}",
            state.as_str()
        ),
    };
    let hint = "it may be that somebody else was faster";
    Err(Problem::new(StatusCode::CONFLICT, error, hint))
}

pub(super) fn tell(worker: &Worker, id: &str, what: Control) -> Told {
    let call = worker
        .calls
        .get(id)
        .ok_or_else(|| Problem::no_such_call(id))?;
    if !worker.calls.ask(id, what) {
        let why = call.why.unwrap_or_default();
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("the call is over: {why}"),
            "GET /v1/calls lists all",
        ));
    }
    Ok((StatusCode::ACCEPTED, Json(call)))
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the body is not what this takes: {error}"),
            "send one JSON object",
        )
    })
}

pub(super) fn checked(wanted: &DialRequest) -> Result<(), Problem> {
    text::one_line("to", &wanted.to)?;
    text::name("room", &wanted.room)?;
    if let Some(trunk) = &wanted.trunk {
        text::one_line("trunk", trunk)?;
    }
    if let Some(participant) = &wanted.participant {
        text::name("participant", participant)?;
    }
    if let Some(name) = &wanted.name {
        text::one_line("name", name)?;
    }
    if let Some(digits) = &wanted.dtmf {
        text::digits(digits)?;
    }
    for (name, value) in &wanted.headers {
        text::one_line("headers", value)?;
        text::header_name(name)?;
    }
    Ok(())
}
