// SPDX-License-Identifier: MPL-2.0
//! Who is measured. All do the same work, with plain RTP: between a phone that speaks PCMU and one that
//! speaks Opus (or PCMU too), or in a conference; or they answer calls.

mod answerer;
mod audiobridge;
mod bencode;
mod conference;
mod office;
mod ours;
mod reception;
mod rtpengine;
mod stock;
mod webrtc;
mod worker;

use std::path::PathBuf;

use anyhow::Result;
use gstsipbridge::codec::{OpusAudioType, OpusSettings};
use serde::Serialize;
use sip_ua::sdp::Codec;

pub use answerer::Answerer;
pub use audiobridge::AudioBridge;
pub use conference::Sipmixer;
pub use office::Office;
pub use ours::{Bridge, Ours};
pub use reception::{Reception, Share};
pub use rtpengine::Rtpengine;
pub use stock::Stock;
pub use webrtc::Pairs;
pub use worker::{Meeting, Seats};

use crate::process::Process;

/// How somebody encodes Opus, and what else makes a difference.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// Whose libopus.
    pub library: &'static str,
    pub rate_hz: u32,
    pub channels: u8,
    pub bitrate_bps: u32,
    pub complexity: u8,
    /// In-band forward error correction.
    pub fec: bool,
    /// What its Opus is tuned for (libopus's application), where that can be known.
    pub audio_type: Option<&'static str>,
    /// The jitter buffer.
    pub jitter_buffer: &'static str,
}

impl Settings {
    /// Our own, at this rate.
    pub fn of_ours(opus: &OpusSettings, rate_hz: u32) -> Settings {
        Settings {
            library: "bundled by opusic-c",
            rate_hz,
            channels: 1,
            bitrate_bps: opus.bitrate_at(rate_hz),
            complexity: opus.complexity,
            // libopus adds it only where it is told that packets get lost, and many of them where it has
            // to code as speech for that what it would not.
            fec: opus.inband_fec
                && opus.packet_loss_percent
                    > match opus.audio_type {
                        OpusAudioType::Voice => 0,
                        OpusAudioType::Generic => 5,
                    },
            audio_type: Some(named(opus.audio_type)),
            jitter_buffer: "adaptive",
        }
    }
}

/// As the elements name it.
fn named(audio_type: OpusAudioType) -> &'static str {
    match audio_type {
        OpusAudioType::Voice => "voice",
        OpusAudioType::Generic => "generic",
    }
}

/// What has to be transcoded.
pub const TRANSCODED: [Codec; 2] = [Codec::Pcmu, Codec::Opus];

/// The ports of one call: ours, which the peer is told, and the peer's.
#[derive(Debug, Clone, Copy)]
pub struct Leg {
    /// Where it receives.
    pub to: u16,
    /// Where its packets come from.
    pub from: u16,
    /// The payload type both sides use.
    pub payload_type: u8,
}

/// A call as the peer set it up.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub pcmu: Leg,
    /// The other phone's, which speaks PCMU as well where nothing is transcoded.
    pub opus: Leg,
}

/// A peer that runs, with calls.
pub struct Running {
    pub process: Process,
    pub calls: Vec<Call>,
}

/// Where and how a peer is started.
pub struct Stage {
    /// The core it gets.
    pub core: usize,
    /// For logs and configuration.
    pub folder: PathBuf,
}

impl Stage {
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("log")
    }
}

/// Somebody who transcodes, or passes on.
pub trait Transcoder {
    /// As it stands in the table.
    fn name(&self) -> String;

    /// What the two phones of a call speak.
    fn codecs(&self) -> [Codec; 2] {
        TRANSCODED
    }

    /// What it does the work with.
    fn settings(&self) -> Settings;

    /// Starts it, with a call for each pair of ports: where the PCMU phone and the Opus phone listen.
    fn start(&self, stage: &Stage, phones: &[(u16, u16)]) -> Result<Running>;
}

/// So many conferences of so many participants each, who come one room after the other.
#[derive(Debug, Clone, Copy)]
pub struct Rooms {
    pub codec: Codec,
    pub size: usize,
    pub count: usize,
}

/// A peer that runs, with participants.
pub struct Conference {
    pub process: Process,
    /// In the order of the phones.
    pub legs: Vec<Leg>,
    /// What has to live as long as it does.
    keeps: Option<conference::Phones>,
}

impl Conference {
    fn new(process: Process, legs: Vec<Leg>) -> Conference {
        Conference {
            process,
            legs,
            keeps: None,
        }
    }
}

/// Somebody who mixes.
pub trait Mixes {
    /// As it stands in the table.
    fn name(&self) -> String;

    /// What it does the work with.
    fn settings(&self) -> Settings;

    /// Starts it, with a participant for each port that a phone listens on.
    fn start(&self, stage: &Stage, rooms: Rooms, phones: &[u16]) -> Result<Conference>;
}
