// SPDX-License-Identifier: MPL-2.0
//! Servers of WHIP and WHEP: another worker's rooms, and those of gst-plugins-rs.

use crate::process::Process;
use crate::worker::{Settings, Worker, built};
use crate::{out_dir, ports};
use anyhow::Result;
use sip_worker::sfu::Participant;
use sip_worker::sfu::whip::{Whip, WhipConfig};
use sip_worker::webrtc::PeerConfig;
use sip_worker::webrtc::participant::{Options, RoomParticipant};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

/// A worker whose rooms others enter by WHIP and WHEP.
pub struct Elsewhere {
    pub worker: Worker,
}

impl Elsewhere {
    pub fn start(scenario: &str) -> Result<Elsewhere> {
        let settings = Settings {
            tables: format!(
                "[[sfu]]\nname = \"inside\"\nkind = \"embedded\"\nport = {}\nmax_participants = 4\n\
                 rooms = [\"lobby*\"]\n",
                ports::free()
            ),
            ..Settings::default()
        };
        let folder = format!("{scenario}/elsewhere");
        let worker = Worker::start_with(&folder, Ipv4Addr::LOCALHOST.into(), &settings)?;
        Ok(Elsewhere { worker })
    }

    /// The lines of an `[[sfu]]` that leads here: where its phones speak, and what they hear.
    pub fn lines(&self, whip: &str, whep: &[&str]) -> String {
        let heard: Vec<_> = whep
            .iter()
            .map(|path| self.endpoint("whep", path))
            .collect();
        format!(
            "kind = \"whip\"\nwhip = \"{}\"\nwhep = {heard:?}\ntoken_file = \"{}\"",
            self.endpoint("whip", whip),
            self.worker.token_file().display()
        )
    }

    /// Somebody who comes by WHIP and WHEP, too.
    pub async fn join(
        &self,
        room: &str,
        who: Participant,
        whip: &str,
        whep: &[&str],
    ) -> Result<RoomParticipant> {
        let template = |kind, path: &str| {
            let url = self.endpoint(kind, path).parse();
            url.map_err(|error: String| anyhow::anyhow!(error))
        };
        let heard: Result<Vec<_>> = whep.iter().map(|path| template("whep", path)).collect();
        let config = WhipConfig {
            token: Some(self.worker.token().to_owned().into()),
            ..WhipConfig::new("people", template("whip", whip)?, heard?)
        };
        join(config, room, who, Ipv4Addr::LOCALHOST.into()).await
    }

    fn endpoint(&self, kind: &str, path: &str) -> String {
        format!("{}/{kind}/{path}", self.worker.url())
    }
}

/// A program that takes one stream by WHIP and gives it by WHEP: those of gst-plugins-rs.
pub struct Relay {
    whip: SocketAddr,
    whep: SocketAddr,
    _process: Process,
}

impl Relay {
    /// With `counter` it takes no offer from who listens, and makes one itself.
    pub fn start(scenario: &str, name: &str, counter: bool) -> Result<Relay> {
        let free = || SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let (whip, whep) = (free(), free());
        let mut command = Command::new(built("sipbridge-whip-server")?);
        command.arg(format!("http://{whip}"));
        command.arg(format!("http://{whep}"));
        if counter {
            command.arg("counter");
        }
        let log = out_dir(scenario).join(format!("{name}.log"));
        let process = Process::start(name, command, &log)?;
        process.wait_for_line("ready", Duration::from_secs(20))?;
        Ok(Relay {
            whip,
            whep,
            _process: process,
        })
    }

    /// Where one speaks to it.
    pub fn whip(&self) -> String {
        format!("http://{}/whip/endpoint", self.whip)
    }

    /// Where one hears it.
    pub fn whep(&self) -> String {
        format!("http://{}/whep/endpoint", self.whep)
    }
}

/// Enters a room by these endpoints.
pub async fn join(
    config: WhipConfig,
    room: &str,
    who: Participant,
    media: IpAddr,
) -> Result<RoomParticipant> {
    gst::init()?;
    let manner = Options {
        peer: PeerConfig {
            addresses: vec![media],
            latency: Duration::from_millis(100),
            ..PeerConfig::default()
        },
        ..Options::default()
    };
    Ok(RoomParticipant::join(&Whip::new(config), room, who, manner).await?)
}
