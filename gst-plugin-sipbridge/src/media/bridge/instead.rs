// SPDX-License-Identifier: MPL-2.0
//! What a side is sent in place of what the other one says: a recording, silence, or nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use super::super::pace::Wire;
use crate::codec::chain::Resampler;
use crate::codec::{CodecError, Encoder, OpusSettings};
use crate::leg::Leg;

/// A resampler that has begun gives as much as it is given; one that gives nothing is not asked for ever.
const STEPS_MAX: usize = 3;

/// What becomes of what a side says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passing {
    /// It passes.
    #[default]
    Passes,
    /// The other side is sent silence.
    Silenced,
    /// The other side is sent nothing.
    Blocked,
}

/// Something that can be played.
#[derive(Debug, Clone)]
pub struct Recording {
    pcm: Arc<[i16]>,
    rate_hz: u32,
}

impl Recording {
    /// Mono samples at this rate.
    pub fn new(pcm: Vec<i16>, rate_hz: u32) -> Recording {
        Recording {
            pcm: pcm.into(),
            rate_hz,
        }
    }

    /// How long it is.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.pcm.len() as f64 / f64::from(self.rate_hz.max(1)))
    }
}

/// A recording that is played.
struct Playing {
    recording: Recording,
    at: usize,
    repeats: bool,
    /// All of it: one packet more has what a resampler holds back.
    is_read: bool,
}

/// A codec, and the way from samples at some rate to it.
struct Voice {
    codec: Codec,
    from_hz: u32,
    opus: OpusSettings,
    encoder: Encoder,
    resampler: Option<Resampler>,
}

impl Voice {
    fn new(codec: Codec, from_hz: u32, opus: OpusSettings) -> Result<Voice, CodecError> {
        let encoder = Encoder::new(codec, codec.audio_rate(), opus)?;
        let to_hz = encoder.rate_hz();
        let resampler = (from_hz != to_hz).then(|| Resampler::new(from_hz, to_hz));
        Ok(Voice {
            codec,
            from_hz,
            opus,
            encoder,
            resampler: resampler.transpose()?,
        })
    }

    fn fits(&self, codec: Codec, from_hz: u32, opus: OpusSettings) -> bool {
        (self.codec, self.from_hz, self.opus) == (codec, from_hz, opus)
    }
}

/// What is sent in place of what the other side says.
#[derive(Default)]
pub(super) struct Instead {
    passing: Passing,
    playing: Option<Playing>,
    voice: Option<Voice>,
    due: Option<Instant>,
    /// What is said next of what passes comes after something else.
    breaks: bool,
    ended: bool,
    scratch: Vec<i16>,
    pcm: Vec<i16>,
    payload: Vec<u8>,
}

impl Instead {
    /// Whether what the other side says is not passed on.
    pub(super) fn replaces(&self) -> bool {
        self.playing.is_some() || self.passing != Passing::Passes
    }

    /// Whether what the other side says is kept from this one on purpose, and not for the length of a recording.
    pub(super) fn is_set(&self) -> bool {
        self.passing != Passing::Passes
    }

    /// Whether, for the first time after something else, it is.
    pub(super) fn take_break(&mut self) -> bool {
        std::mem::take(&mut self.breaks)
    }

    /// Whether a recording came to its end.
    pub(super) fn take_end(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    pub(super) fn set_passing(&mut self, passing: Passing) {
        if self.passing != passing {
            self.passing = passing;
            self.begin();
        }
    }

    /// Plays this, or nothing more.
    pub(super) fn play(&mut self, recording: Option<(Recording, bool)>) {
        self.playing = recording.map(|(recording, repeats)| Playing {
            recording,
            at: 0,
            repeats,
            is_read: false,
        });
        self.begin();
    }

    fn begin(&mut self) {
        self.due = None;
        self.breaks = true;
        self.pcm.clear();
    }

    /// Sends what is due, and says when the next is.
    pub(super) fn run(
        &mut self,
        now: Instant,
        to: &mut Leg,
        wire: &mut impl Wire,
        opus: OpusSettings,
    ) -> Result<Option<Instant>, CodecError> {
        if self.playing.is_none() && self.passing != Passing::Silenced {
            return Ok(None);
        }
        let agreed = to.negotiated().filter(|_| to.sends());
        let agreed = agreed.map(|agreed| (agreed.codec, u32::from(agreed.ptime_ms.max(10))));
        let Some((codec, ptime_ms)) = agreed else {
            // Nobody hears it: it waits.
            self.due = None;
            return Ok(None);
        };
        let ptime = Duration::from_millis(u64::from(ptime_ms));
        let due = match self.due {
            // A context that was held up does not burst.
            Some(due) if now < due + ptime => due,
            _ => {
                to.resume_sending(now);
                now
            }
        };
        if now < due {
            self.due = Some(due);
            return Ok(Some(due));
        }
        self.due = Some(due + ptime);
        let samples = codec.clock_rate() / 1000 * ptime_ms;
        if to.sending_digits() {
            // They take its place, and send their own packets.
            return Ok(self.due);
        }
        self.encode(codec, ptime_ms, opus)?;
        if self.payload.is_empty() {
            to.pass(samples);
        } else if let Some(datagram) = to.send_audio(&self.payload, samples) {
            wire.send(datagram);
        }
        Ok(self.due)
    }

    /// The next packet's payload.
    fn encode(
        &mut self,
        codec: Codec,
        ptime_ms: u32,
        opus: OpusSettings,
    ) -> Result<(), CodecError> {
        let playing = self.playing.as_ref();
        let is_last = playing.is_some_and(|playing| playing.is_read);
        let from_hz = playing.map_or(codec.audio_rate(), |playing| playing.recording.rate_hz);
        let fits = |voice: &Voice| voice.fits(codec, from_hz, opus);
        let voice = match self.voice.take().filter(fits) {
            Some(voice) => voice,
            None => Voice::new(codec, from_hz, opus)?,
        };
        let voice = self.voice.insert(voice);
        let wanted = (voice.encoder.rate_hz() / 1000 * ptime_ms) as usize;
        for _ in 0..STEPS_MAX {
            if self.pcm.len() >= wanted {
                break;
            }
            let step = (from_hz / 1000 * ptime_ms) as usize;
            self.scratch.clear();
            if let Some(playing) = &mut self.playing {
                playing.read(step, &mut self.scratch);
            }
            self.scratch.resize(step, 0);
            match &mut voice.resampler {
                Some(resampler) => resampler.push(&self.scratch, &mut self.pcm),
                None => self.pcm.extend_from_slice(&self.scratch),
            }
        }
        self.pcm.resize(wanted.max(self.pcm.len()), 0);
        let frame = self.pcm.get(..wanted).unwrap_or_default();
        voice.encoder.encode(frame, &mut self.payload);
        self.pcm.drain(..wanted);
        if is_last {
            self.playing = None;
            self.ended = true;
            self.breaks = true;
        }
        Ok(())
    }
}

impl Playing {
    /// Appends so many samples, or the last ones.
    fn read(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let all = &self.recording.pcm;
        while pcm.len() < samples && !self.is_read {
            let end = all.len().min(self.at + samples - pcm.len());
            pcm.extend_from_slice(all.get(self.at..end).unwrap_or_default());
            self.at = end;
            if self.at == all.len() {
                self.at = 0;
                self.is_read = !self.repeats || all.is_empty();
            }
        }
    }
}
