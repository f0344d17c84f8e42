// SPDX-License-Identifier: MPL-2.0
//! Servers of WHIP and WHEP: another worker's rooms, or one that says whatever it is told to.

use crate::process::Process;
use crate::worker::{Settings, Worker, built};
use crate::{out_dir, ports};
use anyhow::{Result, ensure};
use sip_worker::sfu::Participant;
use sip_worker::sfu::whip::{Whip, WhipConfig};
use sip_worker::webrtc::PeerConfig;
use sip_worker::webrtc::participant::{Options, RoomParticipant};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
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

/// What a request began with: method, path and headers.
pub type Asked = Arc<Mutex<Vec<String>>>;

/// A server that answers each request as it is told to: with a whole answer, or with nothing at all.
pub struct Scripted {
    pub address: SocketAddr,
    asked: Asked,
}

impl Scripted {
    pub fn start(
        answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Scripted> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let asked = Asked::default();
        let (told, answer) = (asked.clone(), Arc::new(answer));
        // Ends with the process: nothing interrupts an accept.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (told, answer) = (told.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &told, &*answer));
            }
        });
        Ok(Scripted { address, asked })
    }

    /// Everything that was asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Fails unless this is asked within the time.
    pub fn is_asked(&self, for_what: &str, within: Duration) -> Result<()> {
        let until = std::time::Instant::now() + within;
        let is_there = || self.asked().iter().any(|asked| asked.starts_with(for_what));
        while !is_there() && std::time::Instant::now() < until {
            // The thread that serves has no event for others.
            std::thread::sleep(Duration::from_millis(10));
        }
        ensure!(is_there(), "{for_what} is not asked: {:?}", self.asked());
        Ok(())
    }
}

/// A folder's file with a secret, and the secret.
pub fn secret(scenario: &str, name: &str) -> Result<(String, String)> {
    let folder = out_dir(scenario);
    std::fs::create_dir_all(&folder)?;
    let value = format!("{:032x}", rand::random::<u128>());
    let path = folder.join(name);
    std::fs::write(&path, &value)?;
    Ok((path.display().to_string(), value))
}

fn serve(stream: TcpStream, told: &Asked, answer: &dyn Fn(&str) -> Option<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_it = name.eq_ignore_ascii_case("content-length");
            is_it.then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        told.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(head.clone());
        match answer(&head) {
            Some(answer) => stream.write_all(answer.as_bytes()).ok()?,
            // Silent until the client has enough of it.
            None => drop(reader.read(&mut [0]).ok()?),
        }
    }
}
