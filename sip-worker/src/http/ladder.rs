// SPDX-License-Identifier: MPL-2.0
//! `GET /v1/calls/{id}/ladder`: the SIP messages of a call, running or over, secrets masked.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sip_ua::ladder::{LadderStep, draw};

use crate::calls::table;
use crate::problem::Problem;
use crate::worker::Worker;

/// How it is to be shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// `text/plain` instead of JSON.
    text: bool,
    /// The drawing holds each message whole.
    messages: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Ladder {
    /// The call.
    call: String,
    /// Drawn, for people.
    text: String,
    /// The messages in order.
    steps: Vec<Step>,
}

/// One message.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Since the call began.
    after_ms: f64,
    /// We sent it.
    sent: bool,
    /// Our address.
    local: String,
    /// Theirs.
    remote: String,
    /// `INVITE sip:…` or `200 OK (INVITE)`.
    summary: String,
    /// It went before.
    repeated: bool,
    /// All of it.
    message: String,
}

impl Step {
    fn new(step: &LadderStep, began: Instant) -> Step {
        let later = step.at.saturating_duration_since(began).as_secs_f64();
        let earlier = began.saturating_duration_since(step.at).as_secs_f64();
        Step {
            after_ms: (later - earlier) * 1000.0,
            sent: step.sent,
            local: step.local.to_string(),
            remote: step.remote.to_string(),
            summary: step.summary.clone(),
            repeated: step.repeated,
            message: step.message.clone(),
        }
    }
}

/// `GET /v1/calls/{id}/ladder`
pub async fn ladder(
    State(worker): State<Arc<Worker>>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let of = worker
        .calls
        .ladder(&id)
        .ok_or_else(|| Problem::no_such_call(&id))?;
    let text = drawn(&of, wanted.messages);
    if wanted.text {
        return Ok(text.into_response());
    }
    // Times count from the INVITE, which can be a moment older than our knowledge of the call.
    let began = began(&of);
    let answer = Ladder {
        call: id,
        text,
        steps: of.steps.iter().map(|s| Step::new(s, began)).collect(),
    };
    Ok(Json(answer).into_response())
}

fn began(ladder: &table::Ladder) -> Instant {
    ladder.steps.first().map_or(ladder.began, |step| step.at)
}

fn drawn(ladder: &table::Ladder, messages: bool) -> String {
    let call = &ladder.call;
    let why = call.why.as_ref();
    let end = why.map_or_else(String::new, |why| format!(": {why}"));
    format!(
        "{} -> {}  trunk {}  {}{end}\n{}",
        call.from,
        call.to,
        call.trunk,
        call.state.as_str(),
        draw(&ladder.steps, began(ladder), messages)
    )
}
