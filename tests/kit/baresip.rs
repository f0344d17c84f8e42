// SPDX-License-Identifier: MPL-2.0
//! baresip, a real SIP phone, with a configuration of its own: it plays a file and records what it hears.
//!
//! Debian's baresip 1.0 plays files of the codec's own rate only, and hangs up where the file ends. It has no player
//! that writes a file; its `sndfile` filter writes what was decoded, packet by packet as it arrives.

use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use sip_worker::measure::Wave;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// For whatever takes no network but starting a program.
const START: Duration = Duration::from_secs(10);
/// Calls that begin later are not recorded after they were on hold.
const RECORDS: Duration = Duration::from_secs(180);

pub struct Options<'a> {
    /// Also the user part of its address.
    pub name: &'a str,
    /// What it calls itself beside.
    pub display: Option<&'a str>,
    /// What it says once a call is up, silence at the end included.
    pub says: &'a Wave,
    /// `PCMU`, `PCMA`, `G722` or `opus`.
    pub codec: &'a str,
    /// Answer calls by itself.
    pub auto_answer: bool,
    /// For the digest of the far end.
    pub password: Option<&'a str>,
    /// Where it registers, with its name as the user's, and sends its calls: `HOST:PORT`.
    pub registrar: Option<SocketAddr>,
    /// How it speaks to others: `udp`, `tcp` or `tls`, where it believes any certificate.
    pub transport: &'a str,
    /// Speak SRTP, and nothing else.
    pub srtp: bool,
}

impl<'a> Options<'a> {
    /// A phone that speaks µ-law over UDP, waits for somebody to answer its calls and registers nowhere.
    pub fn new(name: &'a str, says: &'a Wave) -> Options<'a> {
        Options {
            name,
            display: None,
            says,
            codec: "PCMU",
            auto_answer: false,
            password: None,
            registrar: None,
            transport: "udp",
            srtp: false,
        }
    }
}

pub struct Baresip {
    name: String,
    folder: PathBuf,
    address: SocketAddr,
    control: TcpStream,
    unread: Vec<u8>,
    /// Ended after `control` is closed: fields drop in their order.
    process: Process,
}

impl Baresip {
    pub fn start(scenario: &str, options: &Options<'_>) -> Result<Baresip> {
        let name = options.name.to_owned();
        let folder = out_dir(scenario).join(format!("baresip-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let says = folder.join("says.wav");
        let (rate_hz, channels) = match options.codec {
            "opus" => (48_000, 2),
            "G722" => (16_000, 1),
            _ => (8_000, 1),
        };
        options.says.resampled(rate_hz).write(&says)?;
        std::fs::write(
            folder.join("config"),
            config(&folder, &says, rate_hz, address, control),
        )?;
        let home = options.registrar.unwrap_or(address);
        let display = options.display.map(|display| format!("\"{display}\" "));
        let mut account = format!(
            "{}<sip:{name}@{home};transport={}>;regint={};answermode={};audio_codecs={}/{rate_hz}/{channels}",
            display.unwrap_or_default(),
            options.transport,
            if options.registrar.is_some() { 60 } else { 0 },
            if options.auto_answer {
                "auto"
            } else {
                "manual"
            },
            options.codec
        );
        if let Some(password) = options.password {
            write!(account, ";auth_user={name};auth_pass={password}")?;
        }
        if options.srtp {
            account += ";mediaenc=srtp-mand";
        }
        std::fs::write(folder.join("accounts"), account + "\n")?;
        std::fs::write(folder.join("contacts"), "")?;
        record_on_after_hold(&folder)?;

        let mut command = Command::new("baresip");
        command.arg("-s").arg("-f").arg(&folder).env("TZ", "UTC");
        let process = Process::start(
            &format!("baresip {name}"),
            command,
            &folder.join("baresip.log"),
        )?;
        process.wait_for_line("baresip is ready", START)?;
        let control = TcpStream::connect(control).context("baresip takes no commands")?;
        Ok(Baresip {
            name,
            folder,
            address,
            control,
            unread: Vec::new(),
            process,
        })
    }

    /// What to dial to reach it.
    pub fn uri(&self) -> String {
        format!("sip:{}@{}", self.name, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All SIP messages it sent and received, as it prints them.
    pub fn trace(&self) -> String {
        self.process.printed()
    }

    pub fn dial(&mut self, uri: &str) -> Result<()> {
        self.command("dial", Some(uri))
    }

    pub fn answer(&mut self) -> Result<()> {
        self.command("accept", None)
    }

    /// Ends the call: BYE, CANCEL or a refusal, whatever fits its state.
    pub fn hang_up(&mut self) -> Result<()> {
        self.command("hangup", None)
    }

    /// Puts the far end on hold.
    pub fn hold(&mut self) -> Result<()> {
        self.command("hold", None)
    }

    pub fn resume(&mut self) -> Result<()> {
        self.command("resume", None)
    }

    /// Asks the far end to call somebody else in its place (REFER).
    pub fn transfer(&mut self, uri: &str) -> Result<()> {
        self.command("transfer", Some(uri))
    }

    pub fn send_digit(&mut self, digit: char) -> Result<()> {
        self.command("sndcode", Some(&digit.to_string()))
    }

    /// Waits until the far end presses a key, and says which.
    pub fn wait_digit(&mut self, patience: Duration) -> Result<String> {
        let pressed = self.wait_for("CALL_DTMF_START", patience)?;
        let digit = pressed["param"].as_str().unwrap_or_default();
        Ok(digit.to_owned())
    }

    fn command(&mut self, name: &str, params: Option<&str>) -> Result<()> {
        let message = match params {
            Some(params) => json!({ "command": name, "params": params, "token": name }),
            None => json!({ "command": name, "token": name }),
        }
        .to_string();
        write!(self.control, "{}:{message},", message.len())?;
        Ok(())
    }

    /// Waits until it is. Where the registrar is quick, that is before anybody can ask for events.
    pub fn wait_registered(&self, patience: Duration) -> Result<()> {
        self.process
            .wait_for_line(" binding]", patience)
            .map(|_| ())
    }

    pub fn wait_ringing(&mut self, patience: Duration) -> Result<()> {
        self.wait_for("CALL_RINGING", patience).map(|_| ())
    }

    pub fn wait_incoming(&mut self, patience: Duration) -> Result<()> {
        self.wait_for("CALL_INCOMING", patience).map(|_| ())
    }

    pub fn wait_established(&mut self, patience: Duration) -> Result<()> {
        self.wait_for("CALL_ESTABLISHED", patience).map(|_| ())
    }

    /// Waits for the end of the call and returns the reason baresip gives.
    pub fn wait_closed(&mut self, patience: Duration) -> Result<String> {
        let event = self.wait_for("CALL_CLOSED", patience)?;
        Ok(event["param"].as_str().unwrap_or_default().to_owned())
    }

    /// The next event of this kind; an unexpected end of the call is an error at once.
    fn wait_for(&mut self, kind: &str, patience: Duration) -> Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            let message = self.next_message(deadline).with_context(|| {
                format!(
                    "waiting for {kind} of baresip {}; see {}",
                    self.name,
                    self.process.log().display()
                )
            })?;
            match message["type"].as_str() {
                Some(found) if found == kind => return Ok(message),
                Some("REGISTER_FAIL") => bail!(
                    "baresip {} could not register: {}",
                    self.name,
                    message["param"]
                ),
                Some("CALL_CLOSED") => bail!(
                    "the call of baresip {} ended: {}",
                    self.name,
                    message["param"]
                ),
                _ => {}
            }
            if message["ok"] == json!(false) {
                bail!(
                    "baresip {} refused a command: {}",
                    self.name,
                    message["data"]
                );
            }
        }
    }

    /// One netstring (`LENGTH:JSON,`) of the control connection.
    fn next_message(&mut self, deadline: Instant) -> Result<Value> {
        loop {
            if let Some(colon) = self.unread.iter().position(|byte| *byte == b':') {
                let length: usize = std::str::from_utf8(&self.unread[..colon])?.parse()?;
                let end = colon + 1 + length;
                if self.unread.len() > end {
                    let message = serde_json::from_slice(&self.unread[colon + 1..end])?;
                    self.unread.drain(..=end);
                    return Ok(message);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("nothing came in time");
            }
            self.control.set_read_timeout(Some(left))?;
            let mut chunk = [0; 4_096];
            match self.control.read(&mut chunk) {
                Ok(0) => bail!("baresip has ended"),
                Ok(length) => self.unread.extend_from_slice(&chunk[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock
                            | std::io::ErrorKind::TimedOut
                            | std::io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends the program, which completes its files, and returns what it heard.
    pub fn into_heard(self) -> Result<Wave> {
        let Baresip {
            name,
            folder,
            control,
            mut process,
            ..
        } = self;
        drop(control);
        process.terminate()?;
        recording(&folder)?.ok_or_else(|| anyhow!("baresip {name} recorded nothing"))
    }
}

/// On hold, baresip takes its `sndfile` filter out of what it hears, and puts it back only if there is none
/// in what it says. Ours is to be in the one alone: where a folder has its name, the file of what is said
/// cannot be opened. Names are of the second that a call begins.
fn record_on_after_hold(folder: &Path) -> Result<()> {
    let mut second = gst::glib::DateTime::now_utc()?;
    let last = second.add_seconds(RECORDS.as_secs_f64())?;
    while second < last {
        let name = second.format("dump-%Y-%m-%d-%H-%M-%S-enc.wav")?;
        std::fs::create_dir(folder.join(name.as_str()))?;
        second = second.add_seconds(1.0)?;
    }
    Ok(())
}

/// What it recorded, call after call: it writes a file each, and another from a hold on, named after the time.
fn recording(folder: &Path) -> Result<Option<Wave>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with("-dec.wav") {
            files.push(path);
        }
    }
    files.sort();
    let mut whole: Option<Wave> = None;
    for file in files {
        let wave = Wave::read(file)?;
        match &mut whole {
            Some(whole) => whole.push(&wave),
            None => whole = Some(wave),
        }
    }
    Ok(whole)
}

fn config(
    folder: &Path,
    says: &Path,
    rate_hz: u32,
    address: SocketAddr,
    control: SocketAddr,
) -> String {
    let rtp = ports::free_run(8);
    format!(
        "poll_method epoll
sip_listen {address}
net_interface 127.0.0.1
rtp_ports {rtp}-{}
audio_source aufile,{}
ausrc_srate {rate_hz}
auplay_srate {rate_hz}
ausrc_channels 1
auplay_channels 1
snd_path {}
call_max_calls 1
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module opus.so
module sndfile.so
module aufile.so
module srtp.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {control}
",
        rtp + 7,
        says.display(),
        folder.display()
    )
}
