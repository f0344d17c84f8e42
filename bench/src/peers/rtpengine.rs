// SPDX-License-Identifier: MPL-2.0
//! Debian's rtpengine, in user space, told what to do by its NG protocol.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sip_ua::sdp::Codec;

use super::bencode::Value;
use super::{Call, Leg, Running, Settings, Stage, TRANSCODED, Transcoder};
use crate::process::Process;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// rtpengine 10.5 as Debian 12 has it. Its Opus is always at 48 kHz and, for it sets no other, at
/// libavcodec's default complexity of 10; channels and bit rate can be chosen.
pub struct Rtpengine {
    /// Mono at 24 kb/s instead of its default of stereo at 32 kb/s.
    pub mono: bool,
    /// Both phones speak PCMU, and packets pass as they are.
    pub passes: bool,
}

impl Rtpengine {
    /// As it transcodes where nobody says otherwise.
    pub const DEFAULT: Rtpengine = Rtpengine {
        mono: false,
        passes: false,
    };
}

impl Transcoder for Rtpengine {
    fn name(&self) -> String {
        "rtpengine".to_owned()
    }

    fn codecs(&self) -> [Codec; 2] {
        match self.passes {
            true => [Codec::Pcmu; 2],
            false => TRANSCODED,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            library: "1.3.1 through libavcodec",
            rate_hz: 48_000,
            channels: if self.mono { 1 } else { 2 },
            bitrate_bps: if self.mono { 24_000 } else { 32_000 },
            complexity: 10,
            fec: false,
            audio_type: None,
            jitter_buffer: "none",
        }
    }

    fn start(&self, stage: &Stage, phones: &[(u16, u16)]) -> Result<Running> {
        let control = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        control.set_read_timeout(Some(Duration::from_millis(500)))?;
        let listen = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new("rtpengine");
        command
            .args([
                "--foreground",
                "--log-stderr",
                "--log-level=3",
                "--table=-1",
            ])
            .args([
                "--interface=127.0.0.1",
                "--port-min=30000",
                "--port-max=49999",
            ])
            .arg(format!("--listen-ng={listen}"));
        let process = Process::start(
            "rtpengine",
            command,
            stage.core,
            &stage.log("rtpengine"),
            false,
        )?;
        let mut running = Running {
            process,
            calls: Vec::new(),
        };
        control.connect(&listen)?;
        let mut ng = Ng {
            socket: control,
            number: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        let ping = Value::dictionary([("command", Value::text("ping"))]);
        while ng.ask(&ping).is_err() {
            running.process.must_run()?;
            if Instant::now() > deadline {
                bail!("rtpengine does not answer on {listen}");
            }
        }
        for (number, (pcmu, opus)) in phones.iter().enumerate() {
            running
                .calls
                .push(self.call(&mut ng, number, *pcmu, *opus)?);
        }
        Ok(running)
    }
}

impl Rtpengine {
    /// The phone with PCMU calls, the other one answers.
    fn call(&self, ng: &mut Ng, number: usize, pcmu: u16, opus: u16) -> Result<Call> {
        let codec = if self.mono {
            "opus/48000/1/24000"
        } else {
            "opus"
        };
        let call = || Value::text(format!("call-{number}"));
        let offers = [
            ("command", Value::text("offer")),
            ("call-id", call()),
            ("from-tag", Value::text("a")),
            ("ICE", Value::text("remove")),
            ("sdp", Value::text(sdp(pcmu, "0", "0 PCMU/8000"))),
        ];
        let transcodes = (
            "codec",
            Value::dictionary([
                ("mask", Value::texts(&["PCMU"])),
                ("transcode", Value::texts(&[codec])),
            ]),
        );
        let transcodes = (!self.passes).then_some(transcodes);
        let offer = ng.ask(&Value::dictionary(offers.into_iter().chain(transcodes)))?;
        let (payload_type, usual) = match self.passes {
            true => (0, "PCMU/8000"),
            false => {
                let opus = payload_type_of_opus(&offer);
                (opus.context("rtpengine offers no Opus")?, "opus/48000/2")
            }
        };
        let map = offered_map(&offer, payload_type).unwrap_or_else(|| usual.to_owned());
        let answer = ng.ask(&Value::dictionary([
            ("command", Value::text("answer")),
            ("call-id", call()),
            ("from-tag", Value::text("a")),
            ("to-tag", Value::text("b")),
            ("ICE", Value::text("remove")),
            (
                "sdp",
                Value::text(sdp(
                    opus,
                    &payload_type.to_string(),
                    &format!("{payload_type} {map}"),
                )),
            ),
        ]))?;
        let leg = |sdp: &str, payload_type| {
            let port = media_port(sdp).context("rtpengine names no port")?;
            anyhow::Ok(Leg {
                to: port,
                from: port,
                payload_type,
            })
        };
        Ok(Call {
            opus: leg(&offer, payload_type)?,
            pcmu: leg(&answer, 0)?,
        })
    }
}

/// rtpengine's control protocol: a cookie and a bencoded dictionary, both ways.
struct Ng {
    socket: UdpSocket,
    number: u32,
}

impl Ng {
    /// The description in the answer, empty where there is none.
    fn ask(&mut self, question: &Value) -> Result<String> {
        self.number += 1;
        let mut text = format!("{}_bench ", self.number);
        question.encode(&mut text);
        self.socket.send(text.as_bytes())?;
        let mut bytes = vec![0; 1 << 16];
        let length = self.socket.recv(&mut bytes)?;
        let answer = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
        let (cookie, body) = answer
            .split_once(' ')
            .context("rtpengine's answer has no cookie")?;
        if !cookie.starts_with(&format!("{}_", self.number)) {
            bail!("rtpengine answers another question");
        }
        let (answer, _) = Value::decode(body).context("rtpengine's answer cannot be read")?;
        match answer.text_at("result") {
            Some("ok" | "pong") => Ok(answer.text_at("sdp").unwrap_or_default().to_owned()),
            _ => bail!(
                "rtpengine refuses: {}",
                answer.text_at("error-reason").unwrap_or("no reason given")
            ),
        }
    }
}

fn sdp(port: u16, formats: &str, map: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\na=rtpmap:{map}\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

fn media_port(sdp: &str) -> Option<u16> {
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=audio "))?;
    line.split(' ').next()?.parse().ok()
}

fn payload_type_of_opus(sdp: &str) -> Option<u8> {
    let mut maps = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:"));
    let map = maps.find(|map| map.contains("opus/"))?;
    map.split(' ').next()?.parse().ok()
}

fn offered_map(sdp: &str, payload_type: u8) -> Option<String> {
    let prefix = format!("a=rtpmap:{payload_type} ");
    let map = sdp.lines().find_map(|line| line.strip_prefix(&prefix))?;
    Some(map.trim().to_owned())
}

fn free_port() -> Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket.local_addr()?.port())
}
