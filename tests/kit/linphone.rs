// SPDX-License-Identifier: MPL-2.0
//! linphonec, the command-line phone of Linphone: another stack, with another idea of SIP than baresip's.
//!
//! It is told what to do on its standard input, plays a file in place of a microphone, and records one
//! in place of a loudspeaker: it goes on at the end of the recording at each new start of the media.

use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::{Context as _, Result, bail};
use sip_worker::measure::Wave;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// For whatever takes no network but starting a program.
const START: Duration = Duration::from_secs(10);
/// How often it is asked whether it is registered.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// For an exchange of a message or two with whom it is in a call with.
const SOON: Duration = Duration::from_secs(3);

pub struct Options<'a> {
    /// Also the user part of its address.
    pub name: &'a str,
    /// What it says each time the media start, silence at the end included.
    pub says: &'a Wave,
    /// `PCMU`, `PCMA` or `opus`.
    pub codec: &'a str,
    /// Answer calls by itself.
    pub auto_answer: bool,
    /// Where it registers with its name as the user's, and the password it has there.
    pub registrar: SocketAddr,
    pub password: &'a str,
    /// How it speaks to others: `udp` or `tcp`.
    pub transport: &'a str,
    /// Speak SRTP, and nothing else.
    pub srtp: bool,
}

impl<'a> Options<'a> {
    /// A phone that speaks µ-law over UDP and waits for somebody to answer its calls.
    pub fn new(
        name: &'a str,
        says: &'a Wave,
        registrar: SocketAddr,
        password: &'a str,
    ) -> Options<'a> {
        Options {
            name,
            says,
            codec: "PCMU",
            auto_answer: false,
            registrar,
            password,
            transport: "udp",
            srtp: false,
        }
    }
}

pub struct Linphone {
    name: String,
    transport: String,
    heard: PathBuf,
    /// Lines of its output that were taken notice of.
    read: usize,
    process: Process,
}

impl Linphone {
    /// Starts it and waits until it is registered.
    pub fn start(scenario: &str, options: &Options<'_>) -> Result<Linphone> {
        let name = options.name.to_owned();
        let folder = out_dir(scenario).join(format!("linphone-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        // Its database of calls goes there; it does not make the folders itself.
        std::fs::create_dir_all(folder.join(".local/share/linphone"))?;
        let says = folder.join("says.wav");
        options.says.resampled(8_000).write(&says)?;
        let heard = folder.join("heard.wav");
        let config = folder.join("linphonerc");
        std::fs::write(&config, configuration(options))?;

        let mut command = Command::new("linphonec");
        command.arg("-c").arg(&config);
        if options.auto_answer {
            command.arg("-a");
        }
        // It keeps what it finds in its surroundings: a sound server, somebody's address book.
        command
            .env("HOME", &folder)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .env("XDG_RUNTIME_DIR", &folder)
            .current_dir(&folder);
        let process = Process::start_listening(
            &format!("linphonec {name}"),
            command,
            &folder.join("linphonec.log"),
        )?;
        let mut phone = Linphone {
            name,
            transport: options.transport.to_owned(),
            heard,
            read: 0,
            process,
        };
        phone.tell("soundcard use files")?;
        phone.tell(&format!("play {}", says.display()))?;
        let heard = phone.heard.display().to_string();
        phone.tell(&format!("record {heard}"))?;
        phone.wait_registered()?;
        Ok(phone)
    }

    /// It says nothing of its own accord about that: it is asked.
    fn wait_registered(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            self.tell("status register")?;
            let line = self.process.wait_for_line_after(
                &mut self.read,
                &["registered, identity=", "registered=0", "registered=-1"],
                START,
            )?;
            if line.contains("registered, identity=") {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "linphonec {} could not register; see {}",
                    self.name,
                    self.process.log().display()
                );
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    fn tell(&mut self, command: &str) -> Result<()> {
        self.process.tell(command)
    }

    /// Over its own transport, which it does not take from its account as other phones do.
    pub fn dial(&mut self, uri: &str) -> Result<()> {
        self.tell(&format!("call {uri};transport={}", self.transport))
    }

    /// Puts the far end on hold, and waits until it is.
    pub fn hold(&mut self) -> Result<()> {
        self.tell("pause")?;
        self.wait_for("is now paused", &["ended", "error"], SOON)
    }

    /// Takes the far end from hold, and waits until media run again.
    pub fn resume(&mut self) -> Result<()> {
        self.tell("resume")?;
        self.wait_established(SOON)
    }

    pub fn hang_up(&mut self) -> Result<()> {
        self.tell("terminate")
    }

    /// Waits until media run both ways; an unexpected end of the call is an error at once.
    pub fn wait_established(&mut self, patience: Duration) -> Result<()> {
        self.wait_for("Media streams established", &["ended", "error"], patience)
    }

    pub fn wait_closed(&mut self, patience: Duration) -> Result<()> {
        self.wait_for(" ended", &[], patience)
    }

    /// The next line that contains `wanted`; one that contains any of `unwanted` too, or before, is an error.
    fn wait_for(&mut self, wanted: &str, unwanted: &[&str], patience: Duration) -> Result<()> {
        let mut texts = vec![wanted];
        texts.extend(unwanted);
        loop {
            let line = self
                .process
                .wait_for_line_after(&mut self.read, &texts, patience)
                .with_context(|| format!("waiting for {wanted:?} of linphonec {}", self.name))?;
            // Its libraries complain of sound cards that are not there, and of much else.
            if line.contains("-error-") {
                continue;
            }
            if unwanted.iter().any(|text| line.contains(text)) {
                bail!("linphonec {} says: {line}", self.name);
            }
            return Ok(());
        }
    }

    /// Ends the program, which completes its files, and returns what it heard.
    pub fn into_heard(mut self) -> Result<Wave> {
        self.tell("quit")?;
        self.process.wait(START)?;
        Wave::read(&self.heard).with_context(|| format!("linphonec {} recorded nothing", self.name))
    }
}

fn configuration(options: &Options<'_>) -> String {
    let Options {
        name,
        registrar,
        password,
        transport,
        srtp,
        ..
    } = options;
    let encryption = if *srtp { "srtp" } else { "none" };
    let mandatory = u8::from(*srtp);
    let listen = ports::free();
    let rtp = ports::free();
    let here = Ipv4Addr::LOCALHOST;
    let codecs = ["opus/48000/2", "PCMU/8000/1", "PCMA/8000/1"];
    let mut text = format!(
        "[sip]
sip_port={listen}
sip_tcp_port={listen}
bind_address={here}
use_ipv6=0
guess_hostname=0
contact=sip:{name}@{here}
default_proxy=0
media_encryption={encryption}
media_encryption_mandatory={mandatory}

[proxy_0]
reg_proxy=<sip:{registrar};transport={transport}>
reg_identity=sip:{name}@{registrar}
reg_expires=600
reg_sendregister=1
publish=0

[auth_info_0]
username={name}
passwd={password}

[rtp]
audio_rtp_port={rtp}
bind_address={here}

[sound]
echocancellation=0
agc=0
"
    );
    for (at, codec) in codecs.iter().enumerate() {
        let mut parts = codec.split('/');
        let mut part = || parts.next().unwrap_or_default();
        let (mime, rate_hz, channels) = (part(), part(), part());
        let enabled = u8::from(mime == options.codec);
        text += &format!(
            "
[audio_codec_{at}]
mime={mime}
rate={rate_hz}
channels={channels}
enabled={enabled}
"
        );
    }
    text
}
