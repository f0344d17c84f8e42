// SPDX-License-Identifier: MPL-2.0
//! Who is banned, for whoever has to let a phone in again.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sip_ua::guard::{Banned, Source};

use crate::problem::Problem;
use crate::worker::Worker;

/// A ban that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanInfo {
    /// An IPv4 address, or an IPv6 network of 64 bits.
    pub source: String,
    /// How long it still lasts.
    pub seconds_left: u64,
    /// Which one it is of this source, from 1; each lasts twice as long as the one before.
    pub nth: u32,
}

impl From<Banned> for BanInfo {
    fn from(banned: Banned) -> BanInfo {
        BanInfo {
            source: banned.source.to_string(),
            // What is not over yet lasts a second at least.
            seconds_left: banned.left.as_millis().div_ceil(1000) as u64,
            nth: banned.nth,
        }
    }
}

/// `GET /v1/bans`
pub async fn list(State(worker): State<Arc<Worker>>) -> Json<serde_json::Value> {
    let banned = worker.doorkeeper.watchman.banned(Instant::now());
    let bans: Vec<BanInfo> = banned.into_iter().map(BanInfo::from).collect();
    Json(json!({ "bans": bans }))
}

/// `DELETE /v1/bans/{source}`
pub async fn lift(
    State(worker): State<Arc<Worker>>,
    Path(source): Path<String>,
) -> Result<StatusCode, Problem> {
    let hint = "GET /v1/bans lists who is banned";
    let source: Source = source.parse().map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{source:?} is {error}"),
            hint,
        )
    })?;
    match worker.doorkeeper.watchman.lift(Instant::now(), source) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("{source} is not banned"),
            hint,
        )),
    }
}
