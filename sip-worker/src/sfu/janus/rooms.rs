// SPDX-License-Identifier: MPL-2.0
//! The rooms of one Janus: names or numbers, made when needed and destroyed when empty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::JanusConfig;
use super::connection::{Connection, Handle};
use super::message::code;
use crate::sfu::SfuError;

/// How often rooms we made are looked at, whether they can go.
const SWEEP: Duration = Duration::from_secs(2);
/// VideoRoom has no "unlimited", and three as its default.
const PUBLISHERS: u32 = 10_000;

/// So many packets (half a second) as loud as speech on the average are talk. By default it is two seconds, louder
/// than -25 dB: there is no voice in that whose owner pauses.
const TALKS_AFTER: u32 = 25;
const LOUD_DB: u32 = 45;

/// A connected Janus.
pub(super) struct Server {
    connection: Arc<Connection>,
    /// For what concerns no participant.
    control: Handle,
    named: bool,
    made: Mutex<HashMap<String, Made>>,
}

/// A room that we made.
struct Made {
    /// Only we can destroy it.
    secret: String,
    /// Shared with each of our own who is in it or on their way.
    ours: Arc<()>,
}

impl Made {
    fn new(secret: String) -> Made {
        let ours = Arc::default();
        Made { secret, ours }
    }

    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.ours) == 1
    }
}

/// Holds a room we made open for as long as one of ours is in it. None: we have not made it.
pub(super) struct Stay(#[expect(dead_code, reason = "it counts")] Option<Arc<()>>);

impl Server {
    pub(super) async fn open(config: Arc<JanusConfig>) -> Result<Arc<Server>, SfuError> {
        let connection = Connection::open(config.clone()).await?;
        let (events, _) = mpsc::unbounded_channel();
        let control = connection.attach(events).await?;
        let named = match config.string_ids {
            Some(named) => named,
            None => are_rooms_named(&control).await?,
        };
        let server = Arc::new(Server {
            connection,
            control,
            named,
            made: Mutex::default(),
        });
        if config.room_create {
            tokio::spawn(sweep(Arc::downgrade(&server)));
        }
        Ok(server)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.connection.is_alive()
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) fn config(&self) -> &JanusConfig {
        self.connection.config()
    }

    /// Are rooms and participants named, rather than numbered?
    pub(super) fn named(&self) -> bool {
        self.named
    }

    /// A room or participant as this Janus writes it.
    pub(super) fn id(&self, text: &str) -> Option<Value> {
        if self.named {
            return Some(text.into());
        }
        text.parse::<u64>().ok().filter(|n| *n > 0).map(Value::from)
    }

    pub(super) fn room_id(&self, room: &str) -> Result<Value, SfuError> {
        self.id(room).ok_or_else(|| SfuError::NoSuchRoom {
            sfu: self.config().name.clone(),
            room: room.to_owned(),
            detail: "this Janus numbers its rooms; set string_ids = true in its janus.plugin.videoroom.jcfg, or route to numbers".to_owned(),
        })
    }

    /// Says that one of ours is about to be in `room`.
    pub(super) fn stay(&self, room: &str) -> Stay {
        Stay(lock(&self.made).get(room).map(|made| made.ours.clone()))
    }

    /// Makes `room`. It is well if somebody else was quicker.
    pub(super) async fn create(&self, room: &str) -> Result<Stay, SfuError> {
        let secret = format!("{:032x}", rand::random::<u128>());
        let mut body = json!({
            "room": self.room_id(room)?,
            "description": room,
            "permanent": false,
            "secret": secret,
            "publishers": PUBLISHERS,
            "audiocodec": "opus",
            "audiolevel_event": true,
            "audio_active_packets": TALKS_AFTER,
            "audio_level_average": LOUD_DB,
            "notify_joining": true,
        });
        let config = self.config();
        if let Some(pin) = &config.pin {
            body["pin"] = pin.expose_secret().into();
        }
        if let Some(key) = &config.admin_key {
            body["admin_key"] = key.expose_secret().into();
        }
        match self.control.message("create", body, None).await {
            Ok(_) => {
                lock(&self.made).insert(room.to_owned(), Made::new(secret));
            }
            Err(SfuError::Refused { code, .. }) if code == code::ROOM_EXISTS => {}
            Err(e) => return Err(e),
        }
        Ok(self.stay(room))
    }

    /// How many of ours are in a room that we made, or on their way.
    #[cfg(test)]
    pub(super) fn ours(&self, room: &str) -> Option<usize> {
        let made = lock(&self.made);
        made.get(room).map(|made| Arc::strong_count(&made.ours) - 1)
    }

    /// Destroys the rooms we made in which nobody is.
    async fn sweep(&self) -> Result<(), SfuError> {
        let idle: Vec<String> = {
            let made = lock(&self.made);
            let idle = made.iter().filter(|(_, made)| made.is_idle());
            idle.map(|(room, _)| room.clone()).collect()
        };
        for room in idle {
            let id = self.room_id(&room)?;
            let body = json!({"room": id});
            let there = self.control.message("listparticipants", body, None).await;
            let empty = match &there {
                Ok(reply) => reply.data["participants"]
                    .as_array()
                    .is_some_and(|list| list.is_empty()),
                Err(SfuError::Refused { code, .. }) if *code == code::NO_SUCH_ROOM => {
                    lock(&self.made).remove(&room);
                    continue;
                }
                Err(e) => return Err(e.clone()),
            };
            let removed = if empty {
                let mut made = lock(&self.made);
                let still = made.get(&room).is_some_and(Made::is_idle);
                still.then(|| made.remove(&room)).flatten()
            } else {
                None
            };
            // Who joins from now on finds no room, and makes one anew: Janus does this first.
            if let Some(made) = removed {
                let body = json!({"room": id, "secret": made.secret});
                self.control.message("destroy", body, None).await?;
            }
        }
        Ok(())
    }
}

async fn sweep(server: Weak<Server>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(server) = server.upgrade().filter(|s| s.is_alive()) else {
            return;
        };
        if let Err(e) = server.sweep().await {
            tracing::debug!(error = %e, "could not tidy up rooms");
        }
    }
}

/// A Janus that numbers its rooms refuses to look for a name.
async fn are_rooms_named(control: &Handle) -> Result<bool, SfuError> {
    match control
        .message("exists", json!({"room": "sipbridge"}), None)
        .await
    {
        Ok(_) => Ok(true),
        Err(SfuError::Refused { code, .. }) if code == code::INVALID_ELEMENT => Ok(false),
        Err(e) => Err(e),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
