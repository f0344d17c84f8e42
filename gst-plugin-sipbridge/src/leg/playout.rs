// SPDX-License-Identifier: MPL-2.0
//! What the jitter buffer gives to whoever plays, and what it is told of them.

use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use super::tempo::Tempo;
use crate::codec::noise::Noise;

/// Something that is heard: a jitter buffer, and what is known of who speaks into it.
pub trait Playable {
    /// What to play now, or a little later where audio taken before lasts until then.
    fn playout(&mut self, now: Instant, listener: Listener) -> Playout<'_>;

    /// Whoever plays took so much out of the audio to play faster, or put so much in.
    fn stretched(&mut self, out: Duration, put_in: Duration);

    /// The codec audio last came in.
    fn codec(&self) -> Option<Codec>;

    /// Whether anything may come at all: it is not held.
    fn is_open(&self) -> bool;
}

/// What to play now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Playout<'a> {
    /// A packet.
    Frame(Frame<'a>),
    /// Audio that is missing and worth concealing.
    Lost {
        /// The codec it would have been in.
        codec: Codec,
        /// How much, in RTP clock units.
        samples: u32,
        /// The packet after it, if that is there: Opus may carry the missing one within.
        next: Option<&'a [u8]>,
    },
    /// The far end pauses, and says what its silence sounds like.
    Noise(Noise),
    /// Nothing: the far end pauses, or has not begun.
    Silence,
}

/// Who plays, and what is known of what was played last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listener {
    /// What was played last was near silence: a piece of it can be left out or drawn out unheard.
    pub quiet: bool,
    /// Audio can be made shorter and longer ([`Frame::tempo`]).
    pub elastic: bool,
    /// Audio taken before that still waits to be played.
    pub held: Duration,
}

/// A packet to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is in.
    pub codec: Codec,
    /// The encoded audio.
    pub payload: &'a [u8],
    /// How much audio, in RTP clock units.
    pub samples: u32,
    /// The first after a pause: of the far end's making, or of ours.
    pub talkspurt: bool,
    /// Nothing was lost between this one and the one played before: what was concealed since was a pause,
    /// or this one is late.
    pub follows: bool,
    /// For a [`Listener`] that is elastic: how fast to play it.
    pub tempo: Tempo,
    /// What its sender tells of its level (RFC 6464), in dB below full scale.
    pub level: Option<u8>,
    /// The timestamp it came with.
    pub timestamp: u32,
    /// The sequence number it came with.
    pub sequence: u16,
}
