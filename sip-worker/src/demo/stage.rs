// SPDX-License-Identifier: MPL-2.0
//! Everything the demonstration plays on: a worker with rooms of its own, and somebody in one of them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use gstsipbridge::rtc::leading_out;
use tokio::time::sleep;

use super::certificate;
use crate::calls::CallInfo;
use crate::config::Config;
use crate::http::Served;
use crate::run;
use crate::sfu::Participant;
use crate::webrtc::PeerConfig;
use crate::webrtc::participant::{Options as Attendance, RoomParticipant};
use crate::worker::{Worker, init_media};

/// The room of the demonstration.
pub(super) const ROOM: &str = "lobby";
/// Where softphones look first.
const SIP_PORT: u16 = 5060;
/// Where browsers find the pages over HTTPS, unless somebody else is there.
const HTTPS_PORT: u16 = 8443;
/// Who is called here rings in browsers.
const DESK: &str = "desk";

/// The demonstration's world.
pub(super) struct Stage {
    /// Files of this run; gone with the stage.
    pub(super) folder: PathBuf,
    /// What to dial.
    pub(super) dial: String,
    /// What to dial to ring in a browser.
    pub(super) desk: String,
    pub(super) worker: Arc<Worker>,
    /// Where it can be asked.
    pub(super) served: Option<Served>,
    /// Somebody in the room.
    pub(super) ada: RoomParticipant,
}

impl Stage {
    /// Starts everything. `visited`: people will dial in, so the usual port is preferred. `secure`: browsers
    /// elsewhere may join, too, to which pages without HTTPS get no microphone.
    pub(super) async fn build(visited: bool, secure: bool) -> anyhow::Result<Stage> {
        init_media()?;
        // Browsers do not look for anybody on loopback.
        let media = leading_out()
            .first()
            .copied()
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let folder =
            std::env::temp_dir().join(format!("sipbridge-demo-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, SIP_PORT));
        let port = if visited && UdpSocket::bind(usual).is_ok() {
            SIP_PORT
        } else {
            0
        };
        let mut http = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        if secure {
            certificate::make(&folder, &[media, Ipv4Addr::LOCALHOST.into()])?;
            let usual = SocketAddr::from((media, HTTPS_PORT));
            let free = TcpListener::bind(usual).is_ok();
            http = SocketAddr::new(media, if free { HTTPS_PORT } else { 0 });
        }
        let path = folder.join("sip-worker.toml");
        let text = configuration(port, media, http, secure);
        fs::write(&path, text).context("cannot write the configuration")?;
        let (worker, served) = run::start(Config::load(&path)?)
            .await
            .context("the worker does not start")?;
        let sfu = worker
            .sfu(None)
            .context("invariant: the configuration names an SFU")?;
        let peer = PeerConfig {
            addresses: vec![media],
            ..PeerConfig::default()
        };
        let ada = Participant {
            id: "ada".to_owned(),
            name: "Ada".to_owned(),
            ..Participant::default()
        };
        let ada = RoomParticipant::join(
            &*sfu,
            ROOM,
            ada,
            Attendance {
                peer,
                ..Attendance::default()
            },
        )
        .await
        .context("nobody gets into the room")?;
        let at = |user: &str| format!("sip:{user}@{}", worker.agent.local_addr());
        Ok(Stage {
            folder,
            dial: at(ROOM),
            desk: at(DESK),
            worker,
            served,
            ada,
        })
    }

    /// What the worker says of the last call, as an addition to a sentence.
    pub(super) async fn why(&self) -> String {
        // Ours may hear of the end before the worker has cleared up after it.
        for _ in 0..20 {
            match self.worker.calls.list().into_iter().next() {
                Some(CallInfo { why: Some(why), .. }) => return format!(" ({why})"),
                Some(_) => sleep(Duration::from_millis(100)).await,
                None => break,
            }
        }
        String::new()
    }

    /// Ends everything.
    pub(super) async fn clear(&mut self) {
        self.worker.stop("the demonstration is over").await;
        // What is left in a temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn configuration(port: u16, media: IpAddr, http: SocketAddr, secure: bool) -> String {
    let tls = match secure {
        true => "tls = { cert_file = \"cert.pem\", key_file = \"key.pem\" }",
        false => "",
    };
    format!(
        r#"[sip]
listen = ["udp:127.0.0.1:{port}"]

[media]
ports = "20000-29999"

[[sfu]]
name = "main"
kind = "embedded"

[ice]
addresses = ["{media}"]

[http]
listen = "{http}"
token_file = "token"
{tls}

[[trunk]]
name = "loopback"
allow = ["127.0.0.1/32"]

[[route]]
to = "{DESK}"
room = "{ROOM}"
answer = "on-accept"

[[route]]
to = "*"
room = "{{to}}"
participant = "{{from}}"
answer = "on-participant"
"#
    )
}
