// SPDX-License-Identifier: MPL-2.0
//! An SFU and a worker beside it, private to one scenario, and people in its rooms.

use crate::detour::Detour;
use crate::worker::{Settings, Worker};
use anyhow::{Context as _, Result};
use sip_worker::demo::janus::{Janus, Options};
use sip_worker::sfu::Participant;
use sip_worker::sfu::janus::{Janus as Connector, JanusConfig};
use sip_worker::webrtc::PeerConfig;
use sip_worker::webrtc::participant::{Options as Manner, RoomParticipant, Seen};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The room that the scenarios meet in.
pub const ROOM: &str = "lobby";
/// The number whose route leads there.
pub const NUMBER: &str = "1000";
/// How soon a caller is gone from the room once the call is over, whoever ended it and however.
pub const GONE_WITHIN: Duration = Duration::from_secs(1);

/// The jitter buffer of somebody in a room: as deep as a browser's, which grows with the jitter, is on a
/// machine as busy as this one. The worker's are what they are.
const EAR: Duration = Duration::from_millis(100);

/// Callers from loopback are let in, and [`NUMBER`] leads them to [`ROOM`].
pub fn open_house(answer: &str) -> String {
    format!(
        "[[trunk]]
name = \"phones\"
allow = [\"127.0.0.0/8\"]

{}",
        route(answer)
    )
}

/// A trunk that reaches the phone at `uri`, and nobody else.
pub fn trunk_to(uri: &str) -> String {
    format!(
        "[[trunk]]
name = \"phones\"
uri = \"{uri}\"
from = \"+15550100\"
allow = [\"127.0.0.0/8\"]
dial_allow = [\"*\"]

{}",
        route("at-once")
    )
}

/// From [`NUMBER`] to [`ROOM`].
pub fn route(answer: &str) -> String {
    format!(
        "[[route]]
to = \"{NUMBER}\"
room = \"{ROOM}\"
answer = \"{answer}\"
"
    )
}

/// What a scene has beyond its trunks and routes.
#[derive(Default)]
pub struct Setup {
    /// More lines of the worker's `[sip]`.
    pub sip: String,
    /// More lines of its `[media]`.
    pub media: String,
    /// More lines of its `[ice]`.
    pub ice: String,
    /// More lines of its `[[sfu]]`.
    pub sfu: String,
    /// What the worker finds in its environment.
    pub environment: Vec<(&'static str, String)>,
    pub janus: Options,
    /// The worker speaks TLS, too.
    pub tls: bool,
    /// The worker takes WebSockets.
    pub websocket: bool,
    /// The worker's WebSocket to Janus takes a [`Detour`].
    pub detour: bool,
}

pub struct Scene {
    /// First to end, so that it can say goodbye to phones and SFU.
    pub worker: Worker,
    janus: Janus,
    detour: Option<Detour>,
    api_secret: Option<String>,
    runtime: Runtime,
}

impl Scene {
    /// Starts Janus, then a worker that joins its rooms; `tables` are its trunks and routes.
    pub fn open(scenario: &str, tables: &str) -> Result<Scene> {
        Scene::open_with(scenario, tables, Setup::default())
    }

    /// As [`Scene::open`], with more to say.
    pub fn open_with(scenario: &str, tables: &str, setup: Setup) -> Result<Scene> {
        let runtime = Runtime::new()?;
        let api_secret = setup.janus.api_secret.clone();
        let janus = runtime
            .block_on(Janus::start(setup.janus))
            .context("Janus did not start")?;
        let detour = match setup.detour {
            true => Some(Detour::to(janus.address())?),
            false => None,
        };
        let url = match &detour {
            Some(detour) => format!("ws://{}", detour.address()),
            None => janus.url(),
        };
        let tables = format!(
            "[[sfu]]
name = \"main\"
kind = \"janus\"
url = \"{}\"
room_create = true
{}

{tables}",
            url, setup.sfu
        );
        let settings = Settings {
            sip: setup.sip,
            media: setup.media,
            ice: setup.ice,
            tables,
            tls: setup.tls,
            websocket: setup.websocket,
            environment: setup.environment,
            ..Settings::default()
        };
        let worker = Worker::start_with(scenario, janus.media(), &settings)?;
        Ok(Scene {
            worker,
            janus,
            detour,
            api_secret,
            runtime,
        })
    }

    pub fn janus(&mut self) -> &mut Janus {
        &mut self.janus
    }

    /// Starts Janus anew on its port, and waits until it listens.
    pub fn restart_janus(&mut self) -> Result<()> {
        Ok(self.runtime.block_on(self.janus.restart())?)
    }

    pub fn detour(&self) -> Result<&Detour> {
        self.detour.as_ref().context("the scene has no detour")
    }

    /// Lets time pass until `then`.
    pub fn pass(&self, then: Instant) {
        self.wait(async { tokio::time::sleep_until(then.into()).await });
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Somebody who listens and speaks in [`ROOM`].
    pub fn join(&self, name: &str) -> Result<Somebody<'_>> {
        self.join_room(ROOM, name)
    }

    /// Somebody who listens and speaks in another room.
    pub fn join_room(&self, room: &str, name: &str) -> Result<Somebody<'_>> {
        gst::init()?;
        let connector = Connector::new(JanusConfig {
            api_secret: self.api_secret.clone().map(Into::into),
            ..self.janus.config("test")
        });
        let who = Participant {
            id: name.to_owned(),
            name: name.to_owned(),
            attributes: BTreeMap::new(),
        };
        let manner = Manner {
            peer: PeerConfig {
                addresses: vec![self.janus.media()],
                latency: EAR,
                ..PeerConfig::default()
            },
            ..Manner::default()
        };
        let participant = self.wait(RoomParticipant::join(&connector, room, who, manner))?;
        Ok(Somebody {
            scene: self,
            participant: Some(participant),
        })
    }
}

/// A participant of the scene's room; leaves when dropped.
pub struct Somebody<'a> {
    scene: &'a Scene,
    participant: Option<RoomParticipant>,
}

impl std::ops::Deref for Somebody<'_> {
    type Target = RoomParticipant;

    #[expect(clippy::expect_used, reason = "taken by drop alone")]
    fn deref(&self) -> &RoomParticipant {
        self.participant
            .as_ref()
            .expect("invariant: present until dropped")
    }
}

impl Somebody<'_> {
    /// Waits until `name` is in the room.
    pub fn sees(&self, name: &str, patience: Duration) -> Result<()> {
        let what = format!("{name} in the room");
        let here = |seen: &Seen| seen.is_here(name).then_some(());
        Ok(self.scene.wait(self.until(&what, patience, here))?)
    }

    /// Waits until `name`, who was there, has left.
    pub fn sees_gone(&self, name: &str, patience: Duration) -> Result<()> {
        let what = format!("{name} gone from the room");
        let gone = |seen: &Seen| (seen.person(name).is_some() && !seen.is_here(name)).then_some(());
        Ok(self.scene.wait(self.until(&what, patience, gone))?)
    }
}

impl Drop for Somebody<'_> {
    fn drop(&mut self) {
        if let Some(participant) = self.participant.take() {
            self.scene.wait(participant.leave());
        }
    }
}
