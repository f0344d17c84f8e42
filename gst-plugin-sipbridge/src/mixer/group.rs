// SPDX-License-Identifier: MPL-2.0
//! Listeners of one codec and rate: those of them who are silent share one encoder.

use sip_ua::sdp::Codec;

use super::Rate;
use crate::codec::{CodecError, Encoder, OpusSettings};

/// Ticks between two frames that lean on none before, which are a little worse than others.
const AFRESH_EVERY: u32 = 10;

/// How listeners of a codec change encoders without being heard to.
struct Habits {
    /// Whether those share who may begin to speak, or only those who have no voice.
    voices_share: bool,
    /// Ticks an encoder must have heard a mix before anyone may change to it.
    past: usize,
    /// Ticks a listener must have been silent for before they share.
    silent: u32,
    /// Ticks after which they no longer wait for a pause in what they hear.
    patience: u32,
}

impl Habits {
    fn of(codec: Option<Codec>) -> Habits {
        match codec {
            // A frame that leans on none before it, from an encoder that knows the sound: nearer to
            // what would have been heard than two encoders of the same sound are to each other.
            Some(Codec::Opus) => Habits {
                voices_share: true,
                past: 2,
                silent: 5,
                patience: 25,
            },
            // Two ADPCM encoders of the same sound do not become one (measured: half a second later a
            // change costs −17 dB of noise). But they are cheap.
            Some(Codec::G722) => Habits {
                voices_share: false,
                past: 0,
                silent: 0,
                patience: 0,
            },
            // No past at all.
            Some(Codec::Pcmu | Codec::Pcma | Codec::L16) | None => Habits {
                voices_share: true,
                past: 0,
                silent: 0,
                patience: 0,
            },
        }
    }
}

/// The listeners of one codec (`None`: samples) and rate.
pub(super) struct Group {
    pub(super) codec: Option<Codec>,
    pub(super) rate: Rate,
    opus: OpusSettings,
    habits: Habits,
    /// Somebody of this group, or about to join it, is there this tick.
    pub(super) wanted: bool,
    /// Who hears the shared encoder this tick, and who would like to.
    takers: u32,
    candidates: u32,
    shared: Option<Encoder>,
    warm: usize,
    afresh: bool,
    since_afresh: u32,
    packet: Vec<u8>,
    /// The last frames that the shared encoder was given, the oldest at `oldest`.
    past: Vec<Vec<i16>>,
    oldest: usize,
    spare: Vec<Encoder>,
}

impl Group {
    pub(super) fn new(codec: Option<Codec>, rate: Rate, opus: OpusSettings) -> Group {
        let habits = Habits::of(codec);
        Group {
            codec,
            rate,
            opus,
            wanted: false,
            takers: 0,
            candidates: 0,
            shared: None,
            warm: 0,
            afresh: false,
            since_afresh: AFRESH_EVERY,
            packet: Vec::with_capacity(2_048),
            past: vec![vec![0; rate.frame()]; habits.past],
            oldest: 0,
            spare: Vec::new(),
            habits,
        }
    }

    pub(super) fn set_opus(&mut self, opus: OpusSettings) {
        self.opus = opus;
        let encoders = self.shared.iter_mut().chain(&mut self.spare);
        for encoder in encoders {
            set_opus(encoder, opus);
        }
    }

    /// A tick begins.
    pub(super) fn begin(&mut self) {
        self.takers = 0;
        self.candidates = 0;
        self.afresh = false;
        self.since_afresh = self.since_afresh.saturating_add(1);
    }

    /// One more hears the shared encoder.
    pub(super) fn share(&mut self) {
        self.takers += 1;
    }

    /// One more hears the shared encoder from this tick on.
    pub(super) fn join(&mut self) {
        self.takers += 1;
        self.afresh = true;
        self.since_afresh = 0;
    }

    /// Somebody would like to: the shared encoder hears what goes on.
    pub(super) fn await_join(&mut self) {
        self.candidates += 1;
    }

    /// Whether somebody may share who may begin to speak at any time.
    pub(super) fn voices_share(&self) -> bool {
        self.habits.voices_share
    }

    /// Whether the shared encoder knows the sound well enough for somebody to change to it.
    pub(super) fn is_warm(&self) -> bool {
        self.warm >= self.habits.past
    }

    /// Whether a listener of this group who has been silent for so long may share now.
    pub(super) fn admits(&self, silent: u32, quiet: bool) -> bool {
        let joinable = self.afresh || self.since_afresh >= AFRESH_EVERY;
        silent >= self.habits.silent
            && self.is_warm()
            && (self.habits.past == 0 || joinable && (quiet || silent >= self.habits.patience))
    }

    /// An encoder that was given what the shared one was, lately.
    pub(super) fn primed(&mut self) -> Result<Option<Encoder>, CodecError> {
        let Some(mut encoder) = self.fresh()? else {
            return Ok(None);
        };
        if self.warm > 0 {
            let known = self.past.len().min(self.warm);
            let (later, earlier) = self.past.split_at(self.oldest);
            let frames = earlier.iter().chain(later);
            for frame in frames.skip(self.past.len() - known) {
                encoder.encode(frame, &mut self.packet);
            }
            self.packet.clear();
        }
        Ok(Some(encoder))
    }

    fn fresh(&mut self) -> Result<Option<Encoder>, CodecError> {
        let Some(codec) = self.codec else {
            return Ok(None);
        };
        if let Some(mut encoder) = self.spare.pop() {
            encoder.reset();
            return Ok(Some(encoder));
        }
        Encoder::new(codec, self.rate.hz(), self.opus).map(Some)
    }

    /// Takes back an encoder.
    pub(super) fn retire(&mut self, encoder: Option<Encoder>) {
        self.spare.extend(encoder);
    }

    /// Encodes the mix for those who share, if anybody does. How many encodes that took.
    pub(super) fn encode(&mut self, mix: &[i16]) -> Result<u32, CodecError> {
        let stateful = self.habits.past > 0;
        if self.codec.is_none() || self.takers == 0 && (self.candidates == 0 || !stateful) {
            let idle = self.shared.take();
            self.retire(idle);
            self.warm = 0;
            return Ok(0);
        }
        if self.shared.is_none() {
            self.shared = self.fresh()?;
        }
        let Some(encoder) = &mut self.shared else {
            return Ok(0);
        };
        if self.afresh {
            encoder.encode_afresh(mix, &mut self.packet);
        } else {
            encoder.encode(mix, &mut self.packet);
        }
        self.warm = self.warm.saturating_add(1);
        if let Some(past) = self.past.get_mut(self.oldest) {
            past.copy_from_slice(mix);
            self.oldest = (self.oldest + 1) % self.past.len();
        }
        Ok(1)
    }

    /// The packet of those who share; empty: there is nothing to be sent (DTX).
    pub(super) fn packet(&self) -> &[u8] {
        &self.packet
    }
}

/// Settings change while encoders run; other codecs have none.
pub(super) fn set_opus(encoder: &mut Encoder, settings: OpusSettings) {
    if let Encoder::Opus(opus) = encoder
        && let Err(error) = opus.set(settings)
    {
        tracing::warn!(%error, "an encoder keeps its settings");
    }
}
