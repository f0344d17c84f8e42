// SPDX-License-Identifier: MPL-2.0
//! Control over HTTP: calls, rooms, events, metrics and a small page.
//!
//! - [`guard`]: the token, the Host and the Origin, checked before anything else
//! - [`api`]: what can be asked; [`events`]: what happens; [`metrics`]; [`page`]
//! - [`ladder`]: a call's SIP messages
//! - [`client`] and [`ask`]: how `sip-worker dial` and `sip-worker calls` ask a running worker

pub mod api;
pub mod ask;
pub mod client;
pub mod events;
pub mod guard;
pub mod ladder;
pub mod metrics;
pub mod page;
pub mod problem;
pub mod text;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::run::Worker;

/// Largest body taken.
const LARGEST_BODY: usize = 64 * 1024;

/// All routes, behind the guard.
pub fn router(worker: Arc<Worker>, token: &SecretString) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/healthz", get(api::healthz))
        .route("/readyz", get(api::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(api::openapi))
        .route("/v1/calls", get(api::calls).post(api::dial))
        .route("/v1/calls/{id}", get(api::call).delete(api::hang_up))
        .route("/v1/calls/{id}/ladder", get(ladder::ladder))
        .route("/v1/calls/{id}/{what}", post(api::ask))
        .route("/v1/rooms", get(api::rooms))
        .route("/v1/registrations", get(api::registrations))
        .route("/v1/events", get(events::stream))
        .fallback(api::no_such_path)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(
            guard::Guard::new(token),
            guard::check,
        ))
        .with_state(worker)
}

/// Serves until the worker stops.
pub async fn serve(listener: TcpListener, router: Router, worker: Arc<Worker>) {
    let mut stopping = worker.stopping();
    let until = async move {
        // An error means that the worker is gone, which is a stop too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(until)
        .await
    {
        tracing::error!(%error, "the HTTP server stopped");
    }
}
