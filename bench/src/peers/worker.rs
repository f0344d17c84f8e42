// SPDX-License-Identifier: MPL-2.0
//! The worker as it is shipped, with rooms of its own: people come to one by WHIP and talk, and it calls phones
//! there.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use serde_json::json;
use sip_ua::sdp::Codec;

use super::conference::{Phones, answer_all, answering};
use super::webrtc::Connections;
use super::{Leg, Stage};
use crate::legs::Question;
use crate::process::Process;

/// How long all who are to be there may take to come.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where those are who talk, and the phones that hear them.
const ROOM: &str = "lobby";

/// For SIP and for HTTP.
const OWN_PORTS: u16 = 2;
/// For RTP and RTCP.
const CALL_PORTS: u16 = 2;
/// As many as meet or come and go.
pub(super) const CALLS: u16 = 100;
/// Below those that systems give to connections out.
const LOWEST: u16 = 10_000;
const HIGHEST: u16 = 30_000;
const TRIES: usize = 1_000;

/// Where phones are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seats {
    /// Each in a room of its own, where nobody else is.
    Apart,
    /// In the room of those who talk.
    Together,
}

impl Seats {
    fn room(self, number: usize) -> String {
        match self {
            Seats::Apart => format!("room-{number}"),
            Seats::Together => ROOM.to_owned(),
        }
    }
}

/// Phones in rooms of the worker's, and people there who talk.
pub struct Meeting {
    /// The worker. First to end, so that it can say goodbye to the others.
    pub process: Process,
    /// In the order of the phones.
    pub legs: Vec<Leg>,
    api: Api,
    people: Connections,
    _answering: Phones,
}

impl Meeting {
    /// Has so many people talk, and calls a phone at each of these ports.
    pub fn start(
        stage: &Stage,
        phones: &[u16],
        seats: Seats,
        talking: usize,
        far_core: usize,
    ) -> Result<Meeting> {
        let (agent, calls, runtime) = answering()?;
        let setup = Setup {
            phones: agent.local_addr().port(),
            srtp: "off",
            to: "1000",
            room: ROOM,
            calls: CALLS,
            core: Some(stage.core),
        };
        let (process, api) = worker(stage, &setup)?;
        let mut people = Connections::start(stage, "rtcbin", far_core, "people")?;
        for number in 0..talking {
            let offer = people.describe(&Question::Offer)?;
            let path = format!("/whip/{ROOM}?name=person-{number}");
            let answer = api.post(&path, "application/sdp", &offer)?;
            people.ask(&Question::Answered(answer))?;
        }
        people.talk()?;
        let legs = runtime.spawn(answer_all(calls, Codec::Pcmu, phones.to_vec()));
        for number in 0..phones.len() {
            let room = seats.room(number);
            let wanted = json!({"to": number.to_string(), "trunk": "phones", "room": room});
            api.post("/v1/calls", "application/json", &wanted.to_string())?;
        }
        let legs = runtime.block_on(async { tokio::time::timeout(PATIENCE, legs).await });
        let mut meeting = Meeting {
            process,
            legs: legs.context("not all calls came up")???,
            api,
            people,
            _answering: Phones {
                _agent: agent,
                _runtime: runtime,
            },
        };
        meeting.until_all_are_there(phones.len(), talking)?;
        Ok(meeting)
    }

    /// The process in which people are.
    pub fn people(&self) -> u32 {
        self.people.process.pid()
    }

    /// How many tracks of people the worker decodes.
    pub fn decoded(&self) -> Result<usize> {
        self.api.figure("sipbridge_room_tracks ")
    }

    fn until_all_are_there(&mut self, phones: usize, talking: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.process.must_run()?;
            let there = (
                self.api.figure("sipbridge_calls{state=\"active\"}")?,
                self.people.state()?.connected,
                self.decoded()?,
            );
            if there == (phones, talking, talking) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "calls, people and tracks that are decoded: {there:?} in place of {:?}",
                (phones, talking, talking)
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// The worker's API.
pub(super) struct Api {
    at: SocketAddr,
    token: String,
}

impl Api {
    /// Status and body of the answer.
    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<(u16, String)> {
        let (at, token) = (self.at, &self.token);
        let mut stream = TcpStream::connect(at)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head.split(' ').nth(1).context("no HTTP status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    /// Has something made.
    fn post(&self, path: &str, kind: &str, body: &str) -> Result<String> {
        match self.ask("POST", path, kind, body)? {
            (201, made) => Ok(made),
            (status, why) => bail!("POST {path}: {status} {why}"),
        }
    }

    /// One of its metrics, by name and labels.
    pub(super) fn figure(&self, name: &str) -> Result<usize> {
        let (_, all) = self.ask("GET", "/metrics", "text/plain", "")?;
        let line = all.lines().find_map(|line| line.strip_prefix(name));
        let value = line.with_context(|| format!("the worker tells no {name}"))?;
        Ok(value.trim().parse()?)
    }

    fn is_ready(&self) -> bool {
        let told = self.ask("GET", "/readyz", "text/plain", "");
        matches!(told, Ok((200, _)))
    }
}

/// How it is set up.
pub(super) struct Setup {
    /// The port at which phones answer.
    pub(super) phones: u16,
    /// Whether the media of phones are encrypted.
    pub(super) srtp: &'static str,
    /// Which calls in go to which room.
    pub(super) to: &'static str,
    pub(super) room: &'static str,
    /// At a time.
    pub(super) calls: u16,
    /// The core it gets; none: all that there are.
    pub(super) core: Option<usize>,
}

impl Api {
    /// Where it takes calls: the port before that of the API.
    pub(super) fn sip(&self) -> SocketAddr {
        SocketAddr::new(self.at.ip(), self.at.port() - 1)
    }
}

/// Starts it; what is measured is never refused for its cost.
pub(super) fn worker(stage: &Stage, setup: &Setup) -> Result<(Process, Api)> {
    let Setup {
        phones,
        srtp,
        to,
        room,
        calls,
        core,
    } = setup;
    let program = std::env::current_exe()?.with_file_name("sip-worker");
    ensure!(
        program.is_file(),
        "the worker is not built: cargo build --release --package sip-worker"
    );
    let ports = OWN_PORTS + calls * CALL_PORTS;
    let first = free_ports(ports)?;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, first + 1));
    let text = format!(
        "[sip]
listen = [\"udp:127.0.0.1:{first}\"]

[media]
ports = \"{}-{}\"
max_load = 1.0

[media.params]
max_load = 1.0

[http]
listen = \"{at}\"
token_file = \"room-token\"

[ice]
addresses = [\"127.0.0.1\"]

[[sfu]]
name = \"main\"
kind = \"embedded\"

[[trunk]]
name = \"phones\"
uri = \"sip:127.0.0.1:{phones}\"
from = \"+15550100\"
allow = [\"127.0.0.0/8\"]
dial_allow = [\"*\"]
srtp = \"{srtp}\"

[[route]]
to = \"{to}\"
room = \"{room}\"
answer = \"at-once\"
",
        first + OWN_PORTS,
        first + ports - 1,
    );
    let config = stage.folder.join("room.toml");
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(&config);
    let log = stage.log("room");
    let mut process = Process::start("sip-worker", command, *core, &log, false)?;
    let mut api = Api {
        at,
        token: String::new(),
    };
    let deadline = Instant::now() + PATIENCE;
    while !api.is_ready() {
        process.must_run()?;
        ensure!(
            Instant::now() < deadline,
            "the worker does not become ready; see {}",
            log.display()
        );
        std::thread::sleep(LOOK_EVERY);
    }
    let token = std::fs::read_to_string(stage.folder.join("room-token"))?;
    api.token = token.trim().to_owned();
    Ok((process, api))
}

/// The first of so many neighbouring ports that are free.
fn free_ports(wanted: u16) -> Result<u16> {
    let is_free = |port: u16| {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    };
    for _ in 0..TRIES {
        let first = rand::random_range(LOWEST..HIGHEST) & !1;
        if (first..first + wanted).all(is_free) {
            return Ok(first);
        }
    }
    bail!("no {wanted} neighbouring ports are free on loopback")
}
