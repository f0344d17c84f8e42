// SPDX-License-Identifier: MPL-2.0
//! What participants of a room of the embedded SFU tell each other. What they are told comes with the room's
//! events.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;

use super::api;
use super::guard::Admitted;
use super::rooms::{Manner, Onlooker};
use super::whip::{self, Desk};
use crate::problem::Problem;
use crate::sfu::data::DataForm;
use crate::sfu::{Content, Session as _};
use crate::worker::Worker;

/// `POST /v1/rooms/{room}/data?participant=SESSION`
pub async fn tell(
    State(worker): State<Arc<Worker>>,
    State(desk): State<Desk>,
    Extension(admitted): Extension<Admitted>,
    Path(room): Path<String>,
    Query(manner): Query<Manner>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let onlooker = Onlooker::new(worker, room, admitted, manner.name)?;
    let session = manner.participant.as_deref();
    let speaker = session.and_then(|session| desk.speaker(onlooker.room(), session));
    let (stay, _) = speaker.ok_or_else(whip::no_such_session)?;
    let data = api::parse::<DataForm>(&body)?.read().map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            error,
            "send {\"text\": \"hello\"}, or {\"digit\": \"5\", \"to\": [\"a participant\"]}",
        )
    })?;
    // As with the keypad of a call: whoever may do nothing else to a phone presses none of its keys.
    if matches!(data.content, Content::Key { .. }) && !onlooker.is_host() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "keys are for the room's hosts to press",
            "the token of a host opens this",
        ));
    }
    let told = stay.send(&data).await;
    told.map_err(|error| whip::refusal(&error))?;
    Ok(StatusCode::ACCEPTED)
}
