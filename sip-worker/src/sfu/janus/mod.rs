// SPDX-License-Identifier: MPL-2.0
//! Janus' VideoRoom (multistream, 1.x), over its WebSocket API.
//!
//! One WebSocket and one Janus session serve all calls. A participant is a publisher's handle, each
//! subscription a handle of its own; a handle that is dropped is detached, and so nobody stays in a
//! room whose call is gone. When the WebSocket breaks, the session is claimed by another; where that is in vain, its
//! participants are gone: their sessions end with [`SfuEvent::Lost`](super::SfuEvent::Lost), and the next call connects
//! anew.

mod connection;
mod follower;
mod message;
mod rooms;
mod roster;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use sip_ua::agent::Tls;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{BoxFuture, Joined, Participant, Sfu, SfuError};
use rooms::Server;

/// Where a Janus is and how it lets us in.
#[derive(Clone, Debug)]
pub struct JanusConfig {
    /// The name in the configuration.
    pub name: String,
    /// `ws://host:port/path`, or `wss:` of the same form
    pub url: String,
    /// Whose word counts for the certificate of a `wss:`.
    pub tls: Tls,
    /// `api_secret` of its core.
    pub api_secret: Option<SecretString>,
    /// A token of its token authentication.
    pub token: Option<SecretString>,
    /// The PIN of its rooms.
    pub pin: Option<SecretString>,
    /// `admin_key` of its VideoRoom, which it may want for the creation of rooms.
    pub admin_key: Option<SecretString>,
    /// Create a room that is not there, and destroy it when the last has left.
    pub room_create: bool,
    /// Are rooms named (`string_ids = true` in its VideoRoom) or numbered? `None`: ask.
    pub string_ids: Option<bool>,
    /// How long it may take to answer.
    pub patience: Duration,
    /// How often it is told that we are there. It forgets a session that says nothing for `session_timeout`, 60 s
    /// unless configured.
    pub keep_alive: Duration,
    /// How long a call waits for it while it is away.
    pub outage_patience: Duration,
}

/// How long a call waits for an SFU that is away, unless something else is configured.
pub const OUTAGE_PATIENCE: Duration = Duration::from_secs(30);

impl JanusConfig {
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        JanusConfig {
            name: name.into(),
            url: url.into(),
            tls: Tls::default(),
            api_secret: None,
            token: None,
            pin: None,
            admin_key: None,
            room_create: false,
            string_ids: None,
            patience: Duration::from_secs(5),
            keep_alive: Duration::from_secs(10),
            outage_patience: OUTAGE_PATIENCE,
        }
    }
}

/// Between attempts to reach a Janus that is gone; doubles up to [`LONGEST_PAUSE`]. Calls in between
/// are told at once rather than each made to wait. Calls that wait for its return try often, and it is
/// to find them back soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The connector.
pub struct Janus {
    config: Arc<JanusConfig>,
    link: Mutex<Link>,
}

#[derive(Default)]
struct Link {
    server: Option<Arc<Server>>,
    failure: Option<Failure>,
}

struct Failure {
    error: SfuError,
    until: Instant,
    pause: Duration,
}

impl Janus {
    /// Nothing is connected before it is needed.
    pub fn new(config: JanusConfig) -> Janus {
        Janus {
            config: Arc::new(config),
            link: Mutex::default(),
        }
    }

    /// The server, connected to if need be.
    async fn server(&self) -> Result<Arc<Server>, SfuError> {
        let mut link = self.link.lock().await;
        if let Some(server) = link.server.as_ref().filter(|s| s.is_alive()) {
            return Ok(server.clone());
        }
        link.server = None;
        let pause = match &link.failure {
            Some(failure) if Instant::now() < failure.until => return Err(failure.error.clone()),
            Some(failure) => (failure.pause * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        match Server::open(self.config.clone()).await {
            Ok(server) => {
                link.failure = None;
                link.server = Some(server.clone());
                Ok(server)
            }
            Err(error) => {
                link.failure = Some(Failure {
                    error: error.clone(),
                    until: Instant::now() + pause,
                    pause,
                });
                Err(error)
            }
        }
    }
}

impl Sfu for Janus {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn outage_patience(&self) -> Duration {
        self.config.outage_patience
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SfuError>> {
        Box::pin(async { self.server().await.map(drop) })
    }

    fn join(&self, room: &str, who: Participant) -> BoxFuture<'_, Result<Joined, SfuError>> {
        let room = room.to_owned();
        Box::pin(async move { session::join(self.server().await?, &room, who).await })
    }
}
