// SPDX-License-Identifier: MPL-2.0
//! A worker in this process, with any SFU: people enter its rooms by the very connector that its phones use.

use crate::{out_dir, ports};
use anyhow::{Context as _, Result};
use sip_worker::calls::Event;
use sip_worker::config::Config;
use sip_worker::run;
use sip_worker::sfu::{Participant, Sfu};
use sip_worker::webrtc::participant::{Options, RoomParticipant};
use sip_worker::webrtc::{PeerConfig, Relay};
use sip_worker::worker::Worker;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

/// Two for each call, with some to spare.
const RTP_PORTS: u16 = 120;

/// What is said of a house's worker beyond its SFU and its tables.
#[derive(Default)]
pub struct Lines<'a> {
    /// Of `[media]`.
    pub media: &'a str,
    /// Of `[ice]`.
    pub ice: &'a str,
}

/// As of somebody in a [`Scene`](crate::scene::Scene).
const EAR: Duration = Duration::from_millis(100);

pub struct House {
    worker: Arc<Worker>,
    /// Where its API is.
    http: SocketAddr,
    token: String,
    /// The address of everybody's media.
    media: IpAddr,
    /// By which people enter, where that is not the connector that phones use.
    door: Option<Arc<dyn Sfu>>,
    runtime: Runtime,
}

impl House {
    /// Starts a worker: WebRTC on `media`, an `[[sfu]]` of these lines, and these trunks and routes.
    pub fn open(scenario: &str, media: IpAddr, sfu: &str, tables: &str) -> Result<House> {
        House::open_with(scenario, media, Lines::default(), sfu, tables)
    }

    /// As [`House::open`], with more to say.
    pub fn open_with(
        scenario: &str,
        media: IpAddr,
        lines: Lines<'_>,
        sfu: &str,
        tables: &str,
    ) -> Result<House> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let rtp = ports::free_run(RTP_PORTS);
        let text = format!(
            "[sip]
listen = [\"udp:{sip}\"]

[media]
ports = \"{rtp}-{}\"
{}

[http]
listen = \"127.0.0.1:0\"
token_file = \"token\"

[ice]
addresses = [\"{media}\"]
{}

[[sfu]]
name = \"main\"
{sfu}

{tables}",
            rtp + RTP_PORTS - 1,
            lines.media,
            lines.ice
        );
        let path = folder.join("sip-worker.toml");
        std::fs::write(&path, text)?;
        let runtime = Runtime::new()?;
        let (worker, served) = runtime.block_on(run::start(Config::load(&path)?))?;
        let served = served.context("its API is served")?;
        let token = std::fs::read_to_string(folder.join("token"))?;
        Ok(House {
            worker,
            http: served.address,
            token: token.trim().to_owned(),
            media,
            door: None,
            runtime,
        })
    }

    /// People enter by this connector.
    #[must_use]
    pub fn with_door(mut self, door: Arc<dyn Sfu>) -> House {
        self.door = Some(door);
        self
    }

    /// What to dial to reach `user` at its worker.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.worker.agent.local_addr())
    }

    /// Where it listens for SIP.
    pub fn sip(&self) -> SocketAddr {
        self.worker.agent.local_addr()
    }

    /// Where its API is.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// What opens it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Those of its calls in this room.
    pub fn pipelines(&self, room: &str) -> Vec<gst::Pipeline> {
        self.worker.pipelines(room)
    }

    /// What its calls do from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.worker.calls.subscribe()
    }

    /// The worker's connector.
    pub fn sfu(&self) -> Result<Arc<dyn Sfu>> {
        self.worker.sfu(None).context("the worker has an SFU")
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Somebody who listens and speaks in `room`.
    pub fn join(&self, room: &str, who: Participant) -> Result<RoomParticipant> {
        self.enter(room, who, true, None)
    }

    /// The same for somebody who comes by this relay and in no other way.
    pub fn join_by_relay(
        &self,
        room: &str,
        who: Participant,
        relay: &str,
    ) -> Result<RoomParticipant> {
        self.enter(room, who, true, Some(relay.to_owned()))
    }

    /// Somebody who speaks there and listens to nobody.
    pub fn speak(&self, room: &str, who: Participant) -> Result<RoomParticipant> {
        self.enter(room, who, false, None)
    }

    fn enter(
        &self,
        room: &str,
        who: Participant,
        listens: bool,
        relay: Option<String>,
    ) -> Result<RoomParticipant> {
        let manner = Options {
            listens,
            peer: PeerConfig {
                addresses: vec![self.media],
                relay: relay.map(|url| Relay::only(url.into())),
                latency: EAR,
                ..PeerConfig::default()
            },
            ..Options::default()
        };
        let sfu = match &self.door {
            Some(door) => door.clone(),
            None => self.sfu()?,
        };
        Ok(self.wait(RoomParticipant::join(&*sfu, room, who, manner))?)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.runtime
            .block_on(self.worker.stop("the scenario is over"));
    }
}
