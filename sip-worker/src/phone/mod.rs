// SPDX-License-Identifier: MPL-2.0
//! A test phone on `sipbin`: dials or listens, plays a file, records what it hears, and tells what
//! happens a line an event. The demonstration and the tests use it as the far end.

mod graph;
mod level;
mod lines;
mod recorder;
mod speaker;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use gstsipbridge::call::{
    Call as Leg, CallEnd, CallNotice, CallParams, CallState, DialParams, DtmfMode, MediaParams,
    NextHop,
};
use serde_json::json;
use sip_ua::agent::{Agent, AgentConfig, IncomingCall, Listen, Transport, Verdict};
use sip_ua::digest::Credentials;
use sip_ua::sdp::{Codec, SrtpPolicy};
use sip_ua::wire::{NameAddr, Uri};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

pub use level::Meter;
pub use lines::{Clock, monotonic_us};
pub use recorder::{Recorder, Recording};

use crate::measure::Wave;
use crate::run::until_signal;
use crate::worker::init_media;
use graph::PhoneGraph;
use lines::Lines;
use speaker::Speaker;

/// The rate of what is played and recorded.
pub const RATE_HZ: u32 = 16_000;
/// How often levels are told.
const LEVELS_EVERY: Duration = Duration::from_millis(250);
/// How long the far end may take to answer our last request.
const GOODBYE: Duration = Duration::from_secs(2);

/// A phone for tests: dials, or waits for a call.
#[derive(Debug, Clone, clap::Args)]
pub struct PhoneOptions {
    /// Whom to call, such as sip:lobby@127.0.0.1:5060; without it the phone waits to be called.
    pub to: Option<String>,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The user part and name that callees see.
    #[arg(long, default_value = "phone")]
    pub from: String,
    /// A WAV file to say once the call is answered.
    #[arg(long, value_name = "FILE.wav")]
    pub play: Option<PathBuf>,
    /// Say it over and over.
    #[arg(long, requires = "play")]
    pub repeat: bool,
    /// A WAV file to write what is heard to.
    #[arg(long, value_name = "FILE.wav")]
    pub record: Option<PathBuf>,
    /// Hang up so many seconds after the answer.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Give up a call that nobody answers after so many seconds.
    #[arg(long, default_value_t = 60.0)]
    pub ring: f64,
    /// Codecs, the preferred first.
    #[arg(long, value_delimiter = ',', default_value = "opus,g722,pcma,pcmu")]
    pub codecs: Vec<String>,
    /// Whether media are encrypted: off, optional or required.
    #[arg(long, default_value = "off", value_name = "POLICY")]
    pub srtp: String,
    /// Digits to send once answered.
    #[arg(long)]
    pub dtmf: Option<String>,
    /// How to send them: auto, rfc4733, info or inband.
    #[arg(long, default_value = "auto", value_name = "MODE")]
    pub dtmf_mode: String,
    /// More headers of the INVITE, as "Name: value".
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// The user name for digest authentication.
    #[arg(long, requires = "password_file")]
    pub user: Option<String>,
    /// The file with its password.
    #[arg(long, requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Refuse calls with this status instead of answering.
    #[arg(long, conflicts_with = "to")]
    pub reject: Option<u16>,
    /// Let calls ring for so many seconds before answering.
    #[arg(long, conflicts_with = "to", default_value_t = 0.0)]
    pub answer_after: f64,
    /// Tell events as JSON, a line each.
    #[arg(long)]
    pub json: bool,
}

/// Makes or takes one call and tells of it. An error is a call that did not come about.
pub async fn run(options: PhoneOptions) -> anyhow::Result<()> {
    init_media()?;
    let lines = Lines::new(options.json);
    let wave = match &options.play {
        Some(path) => Wave::read(path)?.resampled(RATE_HZ),
        None => Wave {
            rate_hz: RATE_HZ,
            samples: Vec::new(),
        },
    };
    let (agent, mut incoming) = Agent::bind(AgentConfig {
        listen: vec![Listen {
            transport: Transport::Udp,
            addr: options.listen,
        }],
        user_agent: concat!("sipbridge-phone/", env!("CARGO_PKG_VERSION")).to_owned(),
        screen: Arc::new(|_, _| Verdict::Allow),
        ..AgentConfig::default()
    })
    .await?;
    let (tell, mut notices) = mpsc::unbounded_channel();
    let leg = match &options.to {
        Some(to) => dial(&agent, to, &options)?,
        None => {
            lines.tell(
                "listening",
                json!({ "address": agent.local_addr().to_string() }),
            );
            tokio::select! {
                call = incoming.recv() => take(call.context("the SIP port closed")?, &options, lines)?,
                () = until_signal() => return Ok(()),
            }
        }
    };
    let _following = leg.subscribe(Box::new(move |notice| {
        // The phone may be on its way out.
        let _ = tell.send(notice.clone());
    }));
    let mut call = PhoneCall::new(leg, wave, &options, lines)?;
    call.catch_up();
    let end = match call.ended_before() {
        Some(end) => Some(end),
        None => call.attend(&options, &mut notices).await,
    };
    call.finish(&options)?;
    agent.close(GOODBYE).await;
    match end {
        Some(end) if !end.was_answered => bail!("the call did not come about: {}", end.reason),
        _ => Ok(()),
    }
}

struct PhoneCall {
    leg: Arc<Leg>,
    graph: PhoneGraph,
    wave: Wave,
    speaker: Option<Speaker>,
    /// The INVITE has been told of, and the ringing.
    invited: bool,
    rung: bool,
    out: Arc<Meter>,
    lines: Lines,
}

impl PhoneCall {
    fn new(
        leg: Arc<Leg>,
        wave: Wave,
        options: &PhoneOptions,
        lines: Lines,
    ) -> anyhow::Result<PhoneCall> {
        let graph = PhoneGraph::start(leg.name(), options.record.is_some())?;
        let invited = leg.is_inbound();
        Ok(PhoneCall {
            leg,
            graph,
            wave,
            speaker: None,
            invited,
            rung: invited,
            out: Arc::default(),
            lines,
        })
    }

    /// Tells what happened before anybody listened.
    fn catch_up(&mut self) {
        let times = self.leg.timeline();
        self.tell_invite();
        if let Some(ringing) = times.ringing.filter(|_| !self.rung) {
            self.rung = true;
            let us = self.lines.us(ringing);
            self.lines.tell_at(us, "ringing", json!({ "status": 180 }));
        }
    }

    /// The end, where the call was over before anybody listened: a refusal takes a millisecond.
    fn ended_before(&self) -> Option<CallEnd> {
        let end = self.leg.end()?;
        self.tell_end(&end);
        Some(end)
    }

    fn tell_end(&self, end: &CallEnd) {
        let more = json!({ "by": end.by.as_str(), "code": end.code, "reason": end.reason });
        self.lines.tell("ended", more);
    }

    fn tell_invite(&mut self) {
        let Some(invite) = self.leg.timeline().invite.filter(|_| !self.invited) else {
            return;
        };
        self.invited = true;
        let more = json!({ "call_id": self.leg.sip_call_id() });
        self.lines.tell_at(self.lines.us(invite), "invite", more);
    }

    /// Follows the call to its end, which it returns if it came by itself.
    async fn attend(
        &mut self,
        options: &PhoneOptions,
        notices: &mut mpsc::UnboundedReceiver<CallNotice>,
    ) -> Option<CallEnd> {
        let mut levels = interval(LEVELS_EVERY);
        levels.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let far_future = Instant::now() + Duration::from_secs(86_400);
        let mut hang_up_at = far_future;
        let mut answer_at = far_future;
        if options.to.is_none() {
            match options.reject {
                Some(status) => self.leg.hangup(Some(status), None),
                None => {
                    answer_at =
                        Instant::now() + Duration::from_secs_f64(options.answer_after.max(0.0));
                }
            }
        }
        let signal = until_signal();
        tokio::pin!(signal);
        loop {
            tokio::select! {
                notice = notices.recv() => match notice {
                    Some(CallNotice::Ended(end)) => {
                        self.tell_end(&end);
                        return Some(end);
                    }
                    Some(notice) => if self.on_notice(notice, options) {
                        hang_up_at = options.seconds.map_or(far_future, |s| Instant::now() + Duration::from_secs_f64(s.max(0.0)));
                    },
                    None => return None,
                },
                _ = levels.tick() => {
                    if self.leg.state() == CallState::Answered {
                        let (heard, said) = (self.graph.heard().read(), self.out.read());
                        self.lines.tell("level", json!({ "in_dbfs": heard, "out_dbfs": said }));
                    }
                }
                () = sleep_until(answer_at) => {
                    answer_at = far_future;
                    self.leg.answer();
                }
                () = sleep_until(hang_up_at) => {
                    hang_up_at = far_future;
                    self.leg.hangup(None, None);
                }
                () = &mut signal => {
                    self.leg.hangup(None, None);
                    return None;
                }
            }
        }
    }

    /// Tells of it; true when it is the answer.
    fn on_notice(&mut self, notice: CallNotice, options: &PhoneOptions) -> bool {
        let times = self.leg.timeline();
        self.tell_invite();
        let at = |instant: Option<std::time::Instant>| {
            instant.map_or_else(monotonic_us, |at| self.lines.us(at))
        };
        match notice {
            CallNotice::State {
                state: CallState::Ringing | CallState::EarlyMedia,
                code,
                ..
            } => {
                if !self.rung {
                    self.rung = true;
                    let us = at(times.ringing);
                    self.lines.tell_at(us, "ringing", json!({ "status": code }));
                }
            }
            CallNotice::State {
                state: CallState::Answered,
                ..
            } => {
                self.lines
                    .tell_at(at(times.answered), "answered", json!({ "status": 200 }));
                if self.speaker.is_none() {
                    let (source, wave) = (self.graph.mouth(), self.wave.clone());
                    self.speaker = Some(Speaker::start(
                        source,
                        wave,
                        options.repeat,
                        self.out.clone(),
                        self.lines,
                    ));
                    if let Some(digits) = &options.dtmf
                        && let Err(error) = self.leg.send_dtmf(digits, 160)
                    {
                        self.lines
                            .tell("warning", json!({ "text": error.to_string() }));
                    }
                    return true;
                }
            }
            CallNotice::State { .. } | CallNotice::Ended(_) => {}
            CallNotice::Media {
                codec,
                ptime_ms,
                remote,
                direction,
                srtp,
            } => {
                let more = json!({ "codec": codec, "ptime_ms": ptime_ms, "remote": remote.to_string(), "direction": direction, "srtp": srtp });
                self.lines.tell("media", more);
            }
            // It asks for none, and lets nobody ask.
            CallNotice::Transfer { .. } | CallNotice::TransferRequested(_) => {}
            CallNotice::FirstMedia => {
                self.lines
                    .tell_at(at(times.first_rtp_in), "first-audio", json!({}));
            }
            CallNotice::Digit {
                digit,
                duration_ms,
                form,
            } => {
                let digit = digit.to_string();
                self.lines.tell(
                    "digit",
                    json!({ "digit": digit, "ms": duration_ms, "form": form.as_str() }),
                );
            }
        }
        false
    }

    fn finish(self, options: &PhoneOptions) -> anyhow::Result<()> {
        drop(self.speaker);
        let recording = self.graph.stop();
        let Some(path) = &options.record else {
            return Ok(());
        };
        let recording = recording.unwrap_or(Recording {
            samples: Vec::new(),
            start_us: monotonic_us(),
        });
        let wave = Wave {
            rate_hz: RATE_HZ,
            samples: recording.samples,
        };
        wave.write(path)?;
        let more = json!({
            "file": path.display().to_string(), "start_us": recording.start_us, "seconds": wave.duration().as_secs_f64()
        });
        self.lines.tell("recorded", more);
        Ok(())
    }
}

fn dial(agent: &Agent, to: &str, options: &PhoneOptions) -> anyhow::Result<Arc<Leg>> {
    let to = Uri::parse(to.as_bytes())?;
    let from: NameAddr = format!("<sip:{}@{}>", options.from, agent.local_addr()).parse()?;
    let headers = options.header.iter().map(|line| {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("--header {line:?} is not of the form NAME: VALUE"))?;
        Ok((name.trim().to_owned(), value.trim().as_bytes().to_vec()))
    });
    let credentials = match (&options.user, &options.password_file) {
        (Some(user), Some(file)) => {
            let password = std::fs::read_to_string(file)
                .with_context(|| format!("--password-file {}", file.display()))?;
            Some(Credentials::new(
                user,
                password.trim_end_matches(['\r', '\n']),
            ))
        }
        _ => None,
    };
    let params = DialParams {
        name: "phone".to_owned(),
        to,
        from,
        next_hop: NextHop::OfUri,
        session_timer: None,
        headers: headers.collect::<anyhow::Result<_>>()?,
        credentials,
        ring_timeout: Duration::from_secs_f64(options.ring.max(1.0)),
        follow_redirects: false,
        transferable: false,
        media: media(options)?,
    };
    Ok(Leg::dial(agent, params)?)
}

fn take(incoming: IncomingCall, options: &PhoneOptions, lines: Lines) -> anyhow::Result<Arc<Leg>> {
    let source = incoming.source;
    let name = "phone".to_owned();
    let media = media(options)?;
    let leg = Leg::incoming(
        incoming,
        CallParams {
            name,
            transferable: false,
            media,
        },
    )?;
    let us = leg
        .timeline()
        .invite
        .map_or_else(monotonic_us, |at| lines.us(at));
    let more = json!({ "call_id": leg.sip_call_id(), "source": source.to_string() });
    lines.tell_at(us, "invite", more);
    if options.reject.is_none() {
        // Before anything that takes time.
        leg.ring();
        lines.tell("ringing", json!({ "status": 180 }));
    }
    Ok(leg)
}

fn media(options: &PhoneOptions) -> anyhow::Result<MediaParams> {
    let codec = |name: &String| {
        Codec::from_name(name).with_context(|| format!("--codecs: there is no codec {name:?}"))
    };
    let codecs = options
        .codecs
        .iter()
        .map(codec)
        .collect::<anyhow::Result<_>>()?;
    let srtp = SrtpPolicy::from_name(&options.srtp)
        .with_context(|| format!("--srtp: there is no policy {:?}", options.srtp))?;
    let dtmf = DtmfMode::from_name(&options.dtmf_mode)
        .with_context(|| format!("--dtmf-mode: there is no mode {:?}", options.dtmf_mode))?;
    let bind: Option<IpAddr> = Some(options.listen.ip()).filter(|ip| !ip.is_unspecified());
    Ok(MediaParams {
        codecs,
        srtp,
        bind,
        dtmf,
        ports: 20_000..=40_000,
        ..MediaParams::default()
    })
}
