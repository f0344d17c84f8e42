// SPDX-License-Identifier: MPL-2.0
//! An SFU inside the worker: rooms in which each hears the others, audio forwarded as it comes.
//!
//! - [`rooms`]: who is where, and who is told of what
//! - [`link`]: one WebRTC connection; [`router`]: whose a datagram is, for all share a port
//! - [`exchange`]: all connections; [`requests`]: what is asked of them; [`hearing`]: who hears whom;
//!   [`seats`]: on which line; [`splice`]: as one unbroken stream; [`voice`]: who talks
//! - [`task`]: all of it on one media thread, with its sockets; [`session`]: the way there for everybody else
//!
//! No part but the task does any I/O, and no participant costs a thread, a task or a socket.

mod exchange;
mod hearing;
mod link;
mod requests;
mod rooms;
mod router;
mod seats;
mod session;
mod splice;
mod task;
#[cfg(test)]
mod tests;
mod voice;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstsipbridge::context::Context;
use tokio::sync::{mpsc, watch};

use super::{BoxFuture, ConnectionId, Joined, Participant, Sfu, SfuError, SfuEvent};
pub(crate) use link::Restart;
pub use rooms::{PersonView, RoomView};
pub use session::Stay;
use task::{Asker, Running};

/// Where the SFU is, and which rooms it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// The name in the configuration.
    pub name: String,
    /// The UDP port that all participants share; 0: any that is free.
    pub port: u16,
    /// The addresses to be reached at; none: those that lead out.
    pub addresses: Vec<IpAddr>,
    /// What the world reaches the address of its kind (IPv4, IPv6) by.
    pub advertise: Option<IpAddr>,
    /// Patterns of the rooms there are; a room begins with the first who enters it.
    pub rooms: Vec<String>,
    /// How many may be in a room at a time.
    pub max_participants: usize,
}

/// How many may be in a room unless something else is configured.
pub const MAX_PARTICIPANTS: usize = 100;

/// How long a call stays up while an SFU that broke down begins anew.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(10);

impl EmbeddedConfig {
    /// An SFU on any port, with whatever rooms are asked for.
    pub fn new(name: impl Into<String>) -> EmbeddedConfig {
        EmbeddedConfig {
            name: name.into(),
            port: 0,
            addresses: Vec::new(),
            advertise: None,
            rooms: vec!["*".to_owned()],
            max_participants: MAX_PARTICIPANTS,
        }
    }

    fn gone(&self) -> SfuError {
        SfuError::Lost {
            sfu: self.name.clone(),
            reason: "it broke down".to_owned(),
        }
    }
}

/// Names a connection; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct LinkId(u64);

impl From<LinkId> for ConnectionId {
    fn from(id: LinkId) -> ConnectionId {
        ConnectionId(id.0.to_string())
    }
}

/// Somebody's stay, and what happens there.
pub(crate) type Entered = (Arc<Stay>, mpsc::UnboundedReceiver<SfuEvent>);

/// The SFU.
pub struct Embedded {
    config: Arc<EmbeddedConfig>,
    running: Mutex<Option<Running>>,
}

impl Embedded {
    /// Nothing is opened before it is needed.
    pub fn new(config: EmbeddedConfig) -> Embedded {
        Embedded {
            config: Arc::new(config),
            running: Mutex::new(None),
        }
    }

    /// Enters `room`, from wherever. Leaves when the stay is dropped.
    pub(crate) async fn enter(&self, room: &str, who: Participant) -> Result<Entered, SfuError> {
        self.let_in(room, who, false).await
    }

    async fn let_in(
        &self,
        room: &str,
        who: Participant,
        is_inside: bool,
    ) -> Result<Entered, SfuError> {
        let desk = self.desk()?;
        let (config, asker, room) = (self.config.clone(), desk.clone(), room.to_owned());
        // Made on that thread, so that whoever gives up waiting leaves nobody behind.
        let entered = desk.ask(move |exchange, _| {
            let (member, me, events) = exchange.rooms.join(&room, who)?;
            if let Some(member) = exchange.rooms.member(member) {
                member.is_inside = is_inside;
            }
            let stay = Stay {
                config,
                desk: asker,
                member,
                me,
            };
            Ok((Arc::new(stay), events))
        });
        entered.await.unwrap_or_else(|| Err(self.config.gone()))
    }

    /// A room as it is and will be.
    pub(crate) async fn watch(&self, room: &str) -> Result<watch::Receiver<RoomView>, SfuError> {
        let room = room.to_owned();
        let watched = self.desk()?;
        let watched = watched.ask(move |exchange, _| exchange.rooms.watch(&room));
        watched.await.unwrap_or_else(|| Err(self.config.gone()))
    }

    /// The way to the running SFU, which begins if need be.
    fn desk(&self) -> Result<Asker, SfuError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref().filter(|running| running.is_running()) {
            return Ok(running.desk());
        }
        let started = Running::start(self.config.clone());
        let started = started.map_err(|error| SfuError::Unreachable {
            sfu: self.config.name.clone(),
            url: format!("udp:{}", self.config.port),
            reason: error.to_string(),
        })?;
        Ok(running.insert(started).desk())
    }
}

impl Sfu for Embedded {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn outage_patience(&self) -> Duration {
        OUTAGE_PATIENCE
    }

    fn context(&self) -> Option<Context> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(Running::context)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SfuError>> {
        Box::pin(async { self.desk().map(drop) })
    }

    fn join(&self, room: &str, who: Participant) -> BoxFuture<'_, Result<Joined, SfuError>> {
        let room = room.to_owned();
        Box::pin(async move {
            // Whoever comes this way is in this process.
            let (session, events) = self.let_in(&room, who, true).await?;
            Ok(Joined { session, events })
        })
    }
}
