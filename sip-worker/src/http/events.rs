// SPDX-License-Identifier: MPL-2.0
//! `GET /v1/events`: every change of every call, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::error::RecvError;

use crate::worker::Worker;

/// `GET /v1/events`
pub async fn stream(
    State(worker): State<Arc<Worker>>,
) -> Sse<impl Stream<Item = Result<Line, Infallible>>> {
    let reader = (worker.calls.subscribe(), worker.stopping());
    let lines = stream::unfold(reader, |(mut events, mut stopping)| async move {
        let line = tokio::select! {
            // Without this an open stream would keep the server from closing.
            _ = stopping.wait_for(|stop| *stop) => return None,
            event = events.recv() => match event {
                Ok(event) => Line::default().json_data(event).ok()?,
                Err(RecvError::Lagged(lost)) => Line::default().data(format!(r#"{{"type":"lost","events":{lost}}}"#)),
                Err(RecvError::Closed) => return None,
            },
        };
        Some((Ok(line), (events, stopping)))
    });
    Sse::new(lines).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
