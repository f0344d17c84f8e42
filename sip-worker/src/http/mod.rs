// SPDX-License-Identifier: MPL-2.0
//! Control over HTTP: calls, rooms, events, metrics and two pages.
//!
//! - [`secure`]: TLS; [`guard`]: the token, the Host and the Origin, checked before anything else; [`cors`]:
//!   pages of other origins
//! - [`api`]: what can be asked; [`events`]: what happens; [`metrics`]; [`page`]: for people
//! - [`ladder`]: a call's SIP messages; [`bans`]: who is not heard
//! - [`whip`]: the way into the rooms of the embedded SFU; [`rooms`]: who is there; [`room_calls`]: what hosts
//!   do to phones there; [`room_data`]: what people there tell each other; [`room_token`]: who may
//! - [`client`] and [`ask`]: how `sip-worker dial`, `calls` and `bans` ask a running worker

pub mod api;
pub mod ask;
pub mod bans;
pub mod client;
pub mod cors;
pub mod events;
pub mod guard;
mod ice;
pub mod ladder;
pub mod metrics;
pub mod page;
pub mod room_calls;
pub mod room_data;
pub mod room_token;
pub mod rooms;
mod secure;
pub mod text;
pub mod whip;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware;
use axum::routing::{delete, get, patch, post};
use axum::serve::Listener;
use secrecy::{ExposeSecret, SecretString};
use sip_ua::agent::{Tls, TlsError};
use tokio::net::TcpListener;

use crate::config::Http;
use crate::worker::Worker;
use guard::TokenError;
use room_token::{Pass, Role, RoomTokens};
use secure::SecureListener;
use whip::Desk;

/// Largest body taken.
const LARGEST_BODY: usize = 64 * 1024;

/// Why nobody can be served.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Its certificate.
    #[error("[http] tls: {0}")]
    Tls(#[from] TlsError),
    /// The port.
    #[error("[http] cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The open port, before there is a worker behind it.
pub struct Port {
    listener: TcpListener,
    served: Served,
}

/// Where the API is, and what opens it.
pub struct Served {
    /// What is listened on.
    pub address: SocketAddr,
    token: SecretString,
    /// What HTTPS shows.
    tls: Option<Tls>,
}

impl Port {
    /// Reads or makes the token, and listens.
    pub async fn open(config: &Http) -> Result<Port, PortError> {
        let token = guard::token(&config.token_file)?;
        let tls = config.tls.clone().map(Tls::load).transpose()?;
        let failed = |source| PortError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let served = Served {
            address,
            token,
            tls,
        };
        Ok(Port { listener, served })
    }

    /// Serves until the worker stops.
    pub fn serve(self, worker: &Arc<Worker>, config: &Http) -> Served {
        let router = router(worker.clone(), &self.served.token, config);
        match self.served.tls.clone() {
            Some(tls) => {
                let listener = SecureListener::new(self.listener, tls);
                tokio::spawn(serve(listener, router, worker.clone()));
            }
            None => {
                tokio::spawn(serve(self.listener, router, worker.clone()));
            }
        }
        self.served
    }
}

impl Served {
    /// Where it is, for people; without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = match self.tls {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}", self.address)
    }

    /// Whether it is HTTPS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// The link that opens the operator's page.
    pub fn calls_link(&self) -> String {
        format!("{}/calls#token={}", self.url(), self.token.expose_secret())
    }

    /// The link by which somebody with all rights of a host joins a room.
    pub fn host_link(&self, room: &str) -> String {
        let host = Pass {
            role: Role::Host,
            name: None,
        };
        let token = RoomTokens::new(&self.token).of(room, &host);
        let token = token.expose_secret();
        format!("{}/#room={room}&token={token}", self.url())
    }

    /// Reads the certificate and its key again, for the connections to come. With an error in any of them
    /// both stay as they are.
    pub fn reload_certificate(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), Tls::reload)
    }
}

/// What handlers may ask for.
#[derive(Clone)]
struct Service {
    worker: Arc<Worker>,
    desk: Desk,
    tokens: RoomTokens,
}

impl FromRef<Service> for Arc<Worker> {
    fn from_ref(service: &Service) -> Arc<Worker> {
        service.worker.clone()
    }
}

impl FromRef<Service> for Desk {
    fn from_ref(service: &Service) -> Desk {
        service.desk.clone()
    }
}

impl FromRef<Service> for RoomTokens {
    fn from_ref(service: &Service) -> RoomTokens {
        service.tokens.clone()
    }
}

/// All routes, behind the guard.
fn router(worker: Arc<Worker>, token: &SecretString, config: &Http) -> Router {
    Router::new()
        .route("/", get(page::join))
        .route("/calls", get(page::calls))
        .route("/healthz", get(api::healthz))
        .route("/readyz", get(api::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(api::openapi))
        .route("/v1/calls", get(api::calls).post(api::dial))
        .route("/v1/calls/{id}", get(api::call).delete(api::hang_up))
        .route("/v1/calls/{id}/ladder", get(ladder::ladder))
        .route("/v1/calls/{id}/{what}", post(api::ask))
        .route("/v1/rooms", get(api::rooms))
        .route("/v1/rooms/{room}", get(rooms::room))
        .route("/v1/rooms/{room}/events", get(rooms::events))
        .route("/v1/rooms/{room}/token", get(rooms::token))
        .route("/v1/rooms/{room}/data", post(room_data::tell))
        .route("/v1/rooms/{room}/calls", post(room_calls::dial))
        .route("/v1/rooms/{room}/calls/{id}", delete(room_calls::hang_up))
        .route("/v1/rooms/{room}/calls/{id}/{what}", post(room_calls::ask))
        .route("/v1/registrations", get(api::registrations))
        .route("/v1/bans", get(bans::list))
        .route("/v1/bans/{source}", delete(bans::lift))
        .route("/v1/events", get(events::stream))
        .route("/whip/{room}", post(whip::speak).options(whip::options))
        .route("/whip/{room}/{id}", patch(whip::change).delete(whip::end))
        .route("/whep/{room}", post(whip::listen).options(whip::options))
        .route("/whep/{room}/{id}", patch(whip::change).delete(whip::end))
        .fallback(api::no_such_path)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(
            guard::Guard::new(token, config),
            guard::check,
        ))
        .with_state(Service {
            worker,
            desk: Desk::default(),
            tokens: RoomTokens::new(token),
        })
}

async fn serve<L>(listener: L, router: Router, worker: Arc<Worker>)
where
    L: Listener<Addr = SocketAddr>,
{
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
