// SPDX-License-Identifier: MPL-2.0
//! What a room's hosts may do to its phones: accept and decline those that ring, mute them and hang up, send
//! them digits, and dial more.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;

use super::api;
use super::guard::Admitted;
use super::rooms::{Manner, Onlooker, RoomCall};
use crate::calls::{self, Control, DialRequest};
use crate::problem::Problem;
use crate::worker::Worker;

type Done = Result<(StatusCode, Json<RoomCall>), Problem>;
type Shared = State<Arc<Worker>>;

/// The body of `POST /v1/rooms/{room}/calls`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomDial {
    /// A number, or the name of a user who is registered here.
    to: String,
    /// The name the room sees; without it the number.
    #[serde(default)]
    name: Option<String>,
}

/// `POST /v1/rooms/{room}/calls`
pub async fn dial(
    State(worker): Shared,
    Extension(admitted): Extension<Admitted>,
    Path(room): Path<String>,
    body: Bytes,
) -> Done {
    let host = Onlooker::new(worker, room, admitted, None)?;
    let RoomDial { to, name } = api::parse(&body)?;
    let wanted = DialRequest {
        to: to.trim().to_owned(),
        room: host.room().to_owned(),
        sfu: Some(host.sfu().to_owned()),
        name,
        ..DialRequest::default()
    };
    api::checked(&wanted)?;
    let call = calls::dial(host.worker(), wanted)?;
    Ok((StatusCode::CREATED, Json(host.shown(&call))))
}

/// `DELETE /v1/rooms/{room}/calls/{id}`
pub async fn hang_up(
    State(worker): Shared,
    Extension(admitted): Extension<Admitted>,
    Path((room, id)): Path<(String, String)>,
) -> Done {
    let host = Onlooker::new(worker, room, admitted, None)?;
    let why = format!("{} hung up", host.name());
    tell(&host, &id, Control::HangUp(why))
}

/// `POST /v1/rooms/{room}/calls/{id}/{what}`
pub async fn ask(
    State(worker): Shared,
    Extension(admitted): Extension<Admitted>,
    Path((room, id, what)): Path<(String, String, String)>,
    Query(manner): Query<Manner>,
    body: Bytes,
) -> Done {
    let host = Onlooker::new(worker, room, admitted, manner.name)?;
    match what.as_str() {
        "accept" => settle(&host, &id, Control::Accept),
        "decline" => {
            let why = format!("{} declined it", host.name());
            settle(&host, &id, Control::Decline(why))
        }
        "mute" => tell(&host, &id, Control::Mute(true)),
        "unmute" => tell(&host, &id, Control::Mute(false)),
        "dtmf" => tell(&host, &id, api::dtmf(&body)?),
        _ => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "a call in a room has no such command",
            "there are accept, decline, mute, unmute and dtmf",
        )),
    }
}

/// Accepts or declines a call that rings for them.
fn settle(host: &Onlooker, id: &str, what: Control) -> Done {
    let call = host.call(id)?;
    if call.rings.is_some() && !host.is_rung(&call) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this call rings for somebody else",
            "the call's route says for whom",
        ));
    }
    let _ = api::settle(host.worker(), id, what)?;
    Ok((StatusCode::ACCEPTED, Json(host.shown(&host.call(id)?))))
}

fn tell(host: &Onlooker, id: &str, what: Control) -> Done {
    let call = host.call(id)?;
    let _ = api::tell(host.worker(), id, what)?;
    Ok((StatusCode::ACCEPTED, Json(host.shown(&call))))
}
