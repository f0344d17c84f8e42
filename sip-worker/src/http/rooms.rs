// SPDX-License-Identifier: MPL-2.0
//! A room of the embedded SFU: who is there, as it changes, and the token that opens it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use secrecy::ExposeSecret;
use serde_json::json;

use super::room_token::RoomTokens;
use super::{text, whip};
use crate::problem::Problem;
use crate::worker::Worker;

/// `GET /v1/rooms/{room}/events`: the room as it is, again at each change.
pub async fn events(
    State(worker): State<Arc<Worker>>,
    Path(room): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Line, Infallible>>>, Problem> {
    text::name("room", &room)?;
    let watched = whip::embedded(&worker)?.watch(&room).await;
    let mut view = watched.map_err(|error| whip::refusal(&error))?;
    view.mark_changed();
    let lines = stream::unfold(
        (view, worker.stopping()),
        |(mut view, mut stopping)| async {
            tokio::select! {
                // Without this an open stream would keep the server from closing.
                _ = stopping.wait_for(|stop| *stop) => return None,
                changed = view.changed() => changed.ok()?,
            }
            let line = Line::default().json_data(&*view.borrow_and_update()).ok()?;
            Some((Ok(line), (view, stopping)))
        },
    );
    Ok(Sse::new(lines).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// `GET /v1/rooms/{room}/token`: what lets somebody into this room, and do nothing else.
pub async fn token(
    State(worker): State<Arc<Worker>>,
    State(tokens): State<RoomTokens>,
    Path(room): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    text::name("room", &room)?;
    whip::embedded(&worker)?;
    let token = tokens.of(&room);
    let token = token.expose_secret();
    let told = json!({ "token": token, "page": format!("/#room={room}&token={token}") });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)))
}
