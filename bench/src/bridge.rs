// SPDX-License-Identifier: MPL-2.0
//! The process that bridges for us: calls of two phone legs each, told line by line what to do.
//!
//! It is what an application would write on the plugin's media API. Questions and answers are one JSON
//! object a line.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use anyhow::{Context as _, Result};
use gstsipbridge::codec::{OpusAudioType, OpusLimits, OpusSettings};
use gstsipbridge::context::Context;
use gstsipbridge::media::bridge::{self, BridgeHandle, Side};
use gstsipbridge::media::{
    self, AudioIn, AudioOut, Format, LegStats, MediaConfig, MediaEvent, MediaHandle, OutFrame,
};
use serde::{Deserialize, Serialize};
use sip_ua::sdp::{self, Codec, LocalMedia, Negotiated};

use crate::process::serve;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What it is asked.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Question {
    /// A call between a phone that listens for PCMU and one that listens for Opus, or for PCMU too where packets
    /// pass as they are, at these ports.
    Add {
        pcmu: u16,
        opus: u16,
        settings: Encoding,
        rate_hz: u32,
        dtx: bool,
        passes: bool,
        played_out: bool,
    },
    /// The end of a call.
    Remove { call: usize },
    /// What all calls came to.
    Stats,
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    Added {
        call: usize,
        pcmu: u16,
        opus: u16,
        opus_payload_type: u8,
    },
    Removed,
    Stats(Sums),
    Refused(String),
}

/// [`OpusSettings`] on the way from one process to the other.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Encoding {
    complexity: u8,
    bitrate_bps: u32,
    inband_fec: bool,
    packet_loss_percent: u8,
    dtx: bool,
}

impl From<OpusSettings> for Encoding {
    fn from(settings: OpusSettings) -> Encoding {
        let OpusSettings {
            // A call is one voice.
            audio_type: _,
            complexity,
            bitrate_bps,
            inband_fec,
            packet_loss_percent,
            dtx,
            // What a phone says of itself comes with what is agreed on.
            limits: _,
        } = settings;
        Encoding {
            complexity,
            bitrate_bps,
            inband_fec,
            packet_loss_percent,
            dtx,
        }
    }
}

impl From<Encoding> for OpusSettings {
    fn from(encoding: Encoding) -> OpusSettings {
        OpusSettings {
            audio_type: OpusAudioType::Voice,
            complexity: encoding.complexity,
            bitrate_bps: encoding.bitrate_bps,
            inband_fec: encoding.inband_fec,
            packet_loss_percent: encoding.packet_loss_percent,
            dtx: encoding.dtx,
            limits: OpusLimits::NONE,
        }
    }
}

/// What the legs say of themselves, added up.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Sums {
    pub calls: usize,
    pub contexts: usize,
    pub received: u64,
    pub sent: u64,
    /// Packets that never came.
    pub lost: i64,
    /// Packets that came too late.
    pub late: u64,
    /// Audio made up for lost packets.
    pub concealed_ms: u64,
    /// Silence sent because nothing came from the other leg.
    pub silence_sent: u64,
    /// Audio dropped between the legs.
    pub overflows: u64,
    /// The mean depth of the jitter buffers.
    pub depth_ms: f64,
    /// The longest a media thread was late.
    pub late_max_us: u64,
}

/// Serves standard input until it ends.
pub fn run() -> Result<()> {
    gst::init().context("GStreamer does not start")?;
    let mut bridge = Bridge::default();
    serve(|question| bridge.obey(question), Answer::Refused)
}

/// One call.
enum Call {
    /// As a bridge does it: packets pass on as they come.
    Bridged(Box<BridgeHandle>),
    /// As endpoints do it, each leg with its jitter buffer, and through samples at any rate: two calls,
    /// what one hears being pushed into the other.
    Joined([MediaHandle; 2]),
}

impl Call {
    fn close(self) {
        match self {
            Call::Bridged(bridge) => bridge.close(),
            Call::Joined(legs) => legs.into_iter().for_each(MediaHandle::close),
        }
    }

    fn stats(&self) -> [LegStats; 2] {
        match self {
            Call::Bridged(bridge) => Side::BOTH.map(|side| bridge.stats(side)),
            Call::Joined(legs) => legs.each_ref().map(MediaHandle::stats),
        }
    }
}

#[derive(Default)]
struct Bridge {
    calls: HashMap<usize, Call>,
    next: usize,
    contexts: HashMap<String, Context>,
}

impl Bridge {
    fn obey(&mut self, question: Question) -> Result<Answer> {
        Ok(match question {
            Question::Add {
                pcmu,
                opus,
                settings,
                rate_hz,
                dtx,
                passes,
                played_out,
            } => {
                let said = if passes { Codec::Pcmu } else { Codec::Opus };
                let context = Context::default_for_new_call()?;
                let added = match played_out {
                    true => joined(&context, pcmu, opus, settings.into(), rate_hz)?,
                    false => {
                        let phones = [(Codec::Pcmu, pcmu), (said, opus)];
                        bridged(&context, phones, settings.into(), dtx)?
                    }
                };
                self.keep(context, added)
            }
            Question::Remove { call } => {
                let call = self.calls.remove(&call).context("there is no such call")?;
                call.close();
                Answer::Removed
            }
            Question::Stats => Answer::Stats(self.sums()),
        })
    }

    fn keep(&mut self, context: Context, (call, ports, opus_payload_type): Added) -> Answer {
        let answer = Answer::Added {
            call: self.next,
            pcmu: ports[0],
            opus: ports[1],
            opus_payload_type,
        };
        self.contexts.insert(context.name().to_owned(), context);
        self.calls.insert(self.next, call);
        self.next += 1;
        answer
    }

    fn sums(&self) -> Sums {
        let mut sums = Sums {
            calls: self.calls.len(),
            contexts: self.contexts.len(),
            late_max_us: self
                .contexts
                .values()
                .map(|context| context.stats().late_max_us)
                .max()
                .unwrap_or(0),
            ..Sums::default()
        };
        for leg in self.calls.values().flat_map(Call::stats) {
            let LegStats {
                packets_received,
                packets_sent,
                lost,
                late,
                concealed_ms,
                silence_sent,
                input_overflows,
                depth_ms,
                ..
            } = leg;
            sums.received += packets_received;
            sums.sent += packets_sent;
            sums.lost += lost;
            sums.late += late;
            sums.concealed_ms += concealed_ms;
            sums.silence_sent += silence_sent;
            sums.overflows += input_overflows;
            sums.depth_ms += depth_ms / (2 * self.calls.len()) as f64;
        }
        sums
    }
}

/// A call, its two ports, and the payload type agreed on with the second phone.
type Added = (Call, [u16; 2], u8);

fn bridged(
    context: &Context,
    phones: [(Codec, u16); 2],
    settings: OpusSettings,
    dtx: bool,
) -> Result<Added> {
    let events = Box::new(|_, event| report(&event));
    let config = || MediaConfig {
        dtx,
        ..config(settings)
    };
    let bridge = bridge::open(context, [config(), config()], events)?;
    let mut payload_type = 0;
    for (side, (codec, remote)) in Side::BOTH.into_iter().zip(phones) {
        let negotiated = agree(codec, bridge.local_rtp(side).port(), remote)?;
        payload_type = negotiated.send_pt;
        bridge.apply(side, negotiated)?;
    }
    let ports = Side::BOTH.map(|side| bridge.local_rtp(side).port());
    Ok((Call::Bridged(Box::new(bridge)), ports, payload_type))
}

fn joined(
    context: &Context,
    pcmu: u16,
    opus: u16,
    settings: OpusSettings,
    rate_hz: u32,
) -> Result<Added> {
    let (narrow, _) = open(context, Codec::Pcmu, pcmu, settings)?;
    let (wide, payload_type) = open(context, Codec::Opus, opus, settings)?;
    join(&narrow, &wide, Format::Raw { rate_hz });
    join(&wide, &narrow, Format::Encoded(Codec::Pcmu));
    let ports = [narrow.local_rtp().port(), wide.local_rtp().port()];
    Ok((Call::Joined([narrow, wide]), ports, payload_type))
}

fn config(settings: OpusSettings) -> MediaConfig {
    MediaConfig {
        bind: HERE,
        ports: 30_000..=59_999,
        opus: settings,
        ..MediaConfig::default()
    }
}

fn report(event: &MediaEvent) {
    if let MediaEvent::Failed(why) = event {
        eprintln!("{why}");
    }
}

/// What we, at this port, and a phone at that one agree on.
fn agree(codec: Codec, local: u16, remote: u16) -> Result<Negotiated> {
    let theirs = sdp::offer(&LocalMedia::new(HERE, remote, vec![codec]));
    let ours = LocalMedia::new(HERE, local, vec![codec]);
    Ok(sdp::answer(&ours, &theirs)?.1)
}

/// A leg towards a phone that speaks one codec, and the payload type they agreed on.
fn open(
    context: &Context,
    codec: Codec,
    remote: u16,
    settings: OpusSettings,
) -> Result<(MediaHandle, u8)> {
    let events = Box::new(|event| report(&event));
    let leg = media::open(context, config(settings), events)?;
    let negotiated = agree(codec, leg.local_rtp().port(), remote)?;
    let payload_type = negotiated.send_pt;
    leg.apply(negotiated)?;
    Ok((leg, payload_type))
}

/// What `from` hears goes to `to`.
fn join(from: &MediaHandle, to: &MediaHandle, format: Format) {
    from.set_output(Some((
        format,
        Box::new(Across {
            to: to.input(),
            format,
            since: Instant::now(),
        }),
    )));
}

struct Across {
    to: AudioIn,
    format: Format,
    since: Instant,
}

impl AudioOut for Across {
    fn running_time(&self) -> Option<gst::ClockTime> {
        gst::ClockTime::try_from(self.since.elapsed()).ok()
    }

    fn frame(&mut self, frame: OutFrame) {
        match frame {
            OutFrame::Audio(buffer) => {
                self.to.push(self.format, buffer);
            }
            // The other leg fills in for what does not come.
            OutFrame::Gap { .. } => {}
        }
    }
}
