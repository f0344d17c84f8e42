// SPDX-License-Identifier: MPL-2.0
//! Debian's Janus with its AudioBridge, whose participants come as plain RTP, told what to do by Janus's
//! HTTP API.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use sip_ua::sdp::Codec;

use super::{Conference, Leg, Mixes, Rooms, Settings, Stage};
use crate::process::Process;

/// How long Janus may take to listen, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const PLUGIN: &str = "janus.plugin.audiobridge";

/// What its participants use for Opus.
const OPUS: u8 = 100;

/// AudioBridge as Debian 12 has it. It mixes at the rate of the room, whatever its participants speak.
pub struct AudioBridge {
    pub rate_hz: u32,
}

impl Mixes for AudioBridge {
    fn name(&self) -> String {
        "AudioBridge".to_owned()
    }

    fn settings(&self) -> Settings {
        Settings {
            library: "1.3.1",
            rate_hz: self.rate_hz,
            channels: 1,
            // libopus chooses, and 4 is what AudioBridge sets.
            bitrate_bps: 0,
            complexity: 4,
            fec: false,
            audio_type: Some("voice"),
            jitter_buffer: "speexdsp's",
        }
    }

    fn start(&self, stage: &Stage, rooms: Rooms, phones: &[u16]) -> Result<Conference> {
        let folder = stage.folder.join("janus");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        configure(&folder, port)?;
        let mut command = Command::new("janus");
        command.arg("-o").arg("-F").arg(&folder);
        let mut process = Process::start("janus", command, stage.core, &stage.log("janus"), false)?;
        let api = Api::reach(port, &mut process)?;
        let session = api.ask("", json!({ "janus": "create" }))?;
        let session = id_in(&session).context("Janus names no session")?;
        let owner = api.attach(session)?;
        for room in 0..rooms.count {
            let body = json!({
                "request": "create",
                "room": room + 1,
                "sampling_rate": self.rate_hz,
                "allow_rtp_participants": true,
            });
            api.message(session, owner, body)?;
        }
        let legs = phones
            .iter()
            .enumerate()
            .map(|(number, phone)| api.join(session, rooms, number, *phone))
            .collect::<Result<_>>()?;
        Ok(Conference::new(process, legs))
    }
}

/// Writes a configuration with AudioBridge and the HTTP API, and nothing else.
fn configure(folder: &Path, port: u16) -> Result<()> {
    let library = "/usr/lib/x86_64-linux-gnu/janus";
    std::fs::create_dir_all(folder)?;
    let others = |kind: &str, keep: &str| -> Result<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(format!("{library}/{kind}"))
            .with_context(|| format!("Janus has no {kind} in {library}"))?
        {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".so") && !name.contains(keep) {
                names.push(name);
            }
        }
        Ok(names.join(","))
    };
    let files = [
        (
            "janus.jcfg",
            format!(
                "general: {{ configs_folder = \"{}\"\n plugins_folder = \"{library}/plugins\"\n \
                 transports_folder = \"{library}/transports\"\n debug_level = 2\n \
                 interface = \"127.0.0.1\"\n session_timeout = 0 }}\n\
                 plugins: {{ disable = \"{}\" }}\ntransports: {{ disable = \"{}\" }}\n\
                 events: {{ broadcast = false }}\n",
                folder.display(),
                others("plugins", "audiobridge")?,
                others("transports", "http")?,
            ),
        ),
        (
            "janus.transport.http.jcfg",
            format!(
                "general: {{ json = \"plain\"\n base_path = \"/janus\"\n http = true\n \
                 port = {port}\n ip = \"127.0.0.1\"\n https = false }}\nadmin: {{ admin_http = false }}\n"
            ),
        ),
        (
            "janus.plugin.audiobridge.jcfg",
            "general: { local_ip = \"127.0.0.1\"\n rtp_port_range = \"30000-49999\" }\n".to_owned(),
        ),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Janus's HTTP API: a connection for each request.
struct Api {
    at: SocketAddr,
}

impl Api {
    /// Waits until Janus listens.
    fn reach(port: u16, process: &mut Process) -> Result<Api> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(at).is_err() {
            process.must_run()?;
            ensure!(Instant::now() < deadline, "Janus does not listen on {at}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Api { at })
    }

    fn ask(&self, path: &str, mut body: Value) -> Result<Value> {
        if let Some(body) = body.as_object_mut() {
            body.insert("transaction".to_owned(), json!("bench"));
        }
        let body = body.to_string();
        let answer = self.request(&format!(
            "POST /janus{path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))?;
        match &answer["error"] {
            Value::Null => Ok(answer),
            error => bail!("Janus refuses: {}", error["reason"]),
        }
    }

    /// HTTP/1.0, so that the answer ends with the connection and comes in one piece.
    fn request(&self, text: &str) -> Result<Value> {
        let mut connection = TcpStream::connect(self.at)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.write_all(text.as_bytes())?;
        let mut answer = Vec::new();
        connection
            .read_to_end(&mut answer)
            .context("Janus does not answer")?;
        let answer = String::from_utf8_lossy(&answer);
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("Janus's answer has no body")?;
        serde_json::from_str(body).with_context(|| format!("Janus answers {body:?}"))
    }

    fn attach(&self, session: u64) -> Result<u64> {
        let body = json!({ "janus": "attach", "plugin": PLUGIN });
        id_in(&self.ask(&format!("/{session}"), body)?).context("Janus names no handle")
    }

    fn message(&self, session: u64, handle: u64, body: Value) -> Result<Value> {
        let answer = self.ask(
            &format!("/{session}/{handle}"),
            json!({ "janus": "message", "body": body }),
        )?;
        told(&answer)?;
        Ok(answer)
    }

    /// One more participant, whose phone listens on this port.
    fn join(&self, session: u64, rooms: Rooms, number: usize, phone: u16) -> Result<Leg> {
        let (codec, payload_type) = match rooms.codec {
            Codec::Opus => ("opus", OPUS),
            Codec::Pcmu => ("pcmu", 0),
            other => bail!("AudioBridge is not measured with {other}"),
        };
        let handle = self.attach(session)?;
        let body = json!({
            "request": "join",
            "room": number / rooms.size + 1,
            "display": format!("p{number}"),
            "codec": codec,
            "rtp": { "ip": "127.0.0.1", "port": phone, "payload_type": payload_type },
        });
        self.message(session, handle, body)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let event = self.request(&format!("GET /janus/{session}?maxev=1 HTTP/1.0\r\n\r\n"))?;
            // Others' joining is told to all who are in already.
            if event["sender"] != handle {
                continue;
            }
            let data = told(&event)?;
            if let Some(port) = data["rtp"]["port"].as_u64() {
                let port = u16::try_from(port).context("Janus names no port")?;
                return Ok(Leg {
                    to: port,
                    from: port,
                    payload_type,
                });
            }
        }
        bail!("Janus does not say where participant {number} is to send")
    }
}

/// What the plugin says; its refusals come with a success of Janus's.
fn told(answer: &Value) -> Result<&Value> {
    let data = &answer["plugindata"]["data"];
    match &data["error"] {
        Value::Null => Ok(data),
        error => bail!("AudioBridge refuses: {error}"),
    }
}

fn id_in(answer: &Value) -> Option<u64> {
    answer["data"]["id"].as_u64()
}
