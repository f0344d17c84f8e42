// SPDX-License-Identifier: MPL-2.0
//! From what a jitter buffer gives out to samples: decoded, concealed, made shorter and longer, and
//! filled with the far end's own silence.

use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use super::feed::is_quiet;
use super::rest::Rest;
use crate::codec::chain::Resampler;
use crate::codec::noise::{Background, Noise, NoiseMaker};
use crate::codec::stretch::{Easy, Stretch};
use crate::codec::voice::VoiceDetector;
use crate::codec::{CodecError, Decoder};
use crate::leg::{Frame, Listener, Playable, Playout, Tempo};

/// What a resampler's filter may hold back; given in advance, so that a tick never has to take a
/// packet before its time.
const FILTER_US: u64 = 5_000;

/// Noise that the far end did not ask for is no louder than this, below the loudest there can be.
const UNASKED_DB: u8 = 50;

/// The longest piece of audio that is said twice to play slower.
const PIECE_US: u32 = 15_000;

/// What senders tell of the level of the samples that wait (RFC 6464), in dB below full scale.
#[derive(Default)]
struct Told {
    /// Of those that are taken next: the loudest, for a word may begin in the last of them.
    next: Option<u8>,
    /// Of the last that came.
    last: Option<u8>,
}

impl Told {
    /// Samples that begin before the end of those that are taken next.
    fn came(&mut self, level: Option<u8>) {
        self.next = self.next.into_iter().chain(level).min();
        self.last = level;
    }

    /// What is left is of the last that came: whatever came before it ended earlier.
    fn took(&mut self, is_left: bool) {
        self.next = self.last.filter(|_| is_left);
    }
}

/// Plays one far end. Its samples wait in `pcm` until they are taken.
pub(crate) struct Player {
    /// Decoders by codec; a call that changes codec may change back.
    decoders: Vec<(Codec, Decoder)>,
    resampler: Option<Resampler>,
    stretch: Stretch,
    /// What the far end's pauses sound like, for those it does not send.
    voice: VoiceDetector,
    background: Background,
    noise: NoiseMaker,
    pub(super) pcm: Vec<i16>,
    scratch: Vec<i16>,
    /// What was taken last was near silence.
    pub(super) quiet: bool,
    /// Nobody would hear silence.
    pub(crate) may_rest: bool,
    rest: Rest,
    told: Told,
    failed: Option<CodecError>,
}

impl Player {
    pub(crate) fn new() -> Player {
        Player {
            decoders: Vec::new(),
            resampler: None,
            stretch: Stretch::new(8_000),
            voice: VoiceDetector::default(),
            background: Background::default(),
            noise: NoiseMaker::new(rand::random()),
            pcm: Vec::new(),
            scratch: Vec::new(),
            quiet: false,
            may_rest: false,
            rest: Rest::default(),
            told: Told::default(),
            failed: None,
        }
    }

    /// Takes decoders that were made elsewhere, where that takes nobody's time.
    pub(crate) fn prepare(&mut self, decoders: Vec<(Codec, Decoder)>) {
        for (codec, decoder) in decoders {
            if !self.decoders.iter().any(|(other, _)| *other == codec) {
                self.decoders.push((codec, decoder));
            }
        }
    }

    /// Why something cannot be played, once.
    pub(crate) fn failed(&mut self) -> Option<CodecError> {
        self.failed.take()
    }

    pub(super) fn fail(&mut self, error: CodecError) {
        self.failed = Some(error);
    }

    /// How long the samples that wait will last.
    pub(super) fn held(&self, rate_hz: u32) -> Duration {
        Duration::from_micros(self.pcm.len() as u64 * 1_000_000 / u64::from(rate_hz.max(1)))
    }

    /// Lets so many samples wait, at least, at this rate. `hears` is shown new ones as they came,
    /// before they are made shorter or longer. Says whether anything is heard: the far end's audio, or
    /// its silence.
    pub(crate) fn fill(
        &mut self,
        now: Instant,
        heard: &mut impl Playable,
        wanted: usize,
        rate_hz: u32,
        mut hears: impl FnMut(&mut [i16]),
    ) -> bool {
        let mut something = !self.pcm.is_empty();
        while self.pcm.len() < wanted {
            let from = self.pcm.len();
            let listener = Listener {
                quiet: self.quiet,
                elastic: true,
                held: self.held(rate_hz),
            };
            let playout = heard.playout(now, listener);
            self.told.came(match playout {
                Playout::Frame(frame) => frame.level,
                _ => None,
            });
            match playout {
                Playout::Frame(frame) => {
                    something = true;
                    let (codec, tempo) = (frame.codec, frame.tempo);
                    if self.rest.takes(self.may_rest, codec, frame.payload) {
                        self.silence(frame.samples, codec, rate_hz);
                    } else {
                        self.decode(frame, rate_hz);
                        self.rest.heard(&self.scratch);
                        self.listen(codec, rate_hz);
                        hears(self.since(from));
                    }
                    self.adjust(heard, tempo, from, rate_hz);
                    continue;
                }
                Playout::Lost {
                    codec,
                    samples,
                    next,
                } => {
                    something = true;
                    if self.rest.is_resting() {
                        self.silence(samples, codec, rate_hz);
                    } else {
                        self.conceal(codec, samples, next, rate_hz);
                    }
                }
                Playout::Noise(noise) => {
                    something = true;
                    self.pause(&noise, heard.codec(), wanted, rate_hz);
                }
                Playout::Silence => match self.background.noise().filter(|_| heard.is_open()) {
                    Some(noise) => {
                        something = true;
                        let noise = noise.at_most(UNASKED_DB);
                        self.pause(&noise, heard.codec(), wanted, rate_hz);
                    }
                    None => self.pcm.resize(wanted, 0),
                },
            }
            hears(self.since(from));
        }
        something
    }

    /// The first of the samples that wait. To be taken out when they were used.
    pub(crate) fn next(&mut self, count: usize) -> &[i16] {
        let frame = self.pcm.get(..count).unwrap_or_default();
        self.quiet = is_quiet(frame);
        frame
    }

    /// Takes the first samples out.
    pub(crate) fn took(&mut self, count: usize) {
        self.pcm.drain(..count.min(self.pcm.len()));
        self.told.took(!self.pcm.is_empty());
    }

    /// The level that the sender tells of what [`Player::fill`] let wait and nobody took yet (RFC 6464), in dB
    /// below full scale.
    pub(crate) fn told_level(&self) -> Option<u8> {
        self.told.next
    }

    fn since(&mut self, from: usize) -> &mut [i16] {
        self.pcm.get_mut(from..).unwrap_or_default()
    }

    pub(super) fn decode(&mut self, frame: Frame<'_>, rate_hz: u32) {
        self.scratch.clear();
        let Some(decoder) = decoder(&mut self.decoders, frame.codec, rate_hz, &mut self.failed)
        else {
            return self.silence(frame.samples, frame.codec, rate_hz);
        };
        self.rest
            .wakes(|packet| decoder.decode(packet, &mut self.scratch));
        self.scratch.clear();
        if frame.follows {
            decoder.forget_concealment();
        }
        decoder.decode(frame.payload, &mut self.scratch);
        let from_hz = decoder.rate_hz();
        self.append(from_hz, rate_hz);
    }

    /// Samples of nothing in place of so many RTP clock units.
    fn silence(&mut self, samples: u32, codec: Codec, rate_hz: u32) {
        let length = u64::from(samples) * u64::from(rate_hz) / u64::from(codec.clock_rate());
        self.pcm.resize(self.pcm.len() + length.max(1) as usize, 0);
    }

    /// How loud the silence is that is not decoded; `None`: all is.
    pub(crate) fn rests_at_dbfs(&self) -> Option<f32> {
        self.rest.is_resting().then(|| self.rest.level_dbfs())
    }

    pub(super) fn conceal(
        &mut self,
        codec: Codec,
        samples: u32,
        next: Option<&[u8]>,
        rate_hz: u32,
    ) {
        self.scratch.clear();
        let Some(decoder) = decoder(&mut self.decoders, codec, rate_hz, &mut self.failed) else {
            self.pcm.resize(self.pcm.len() + rate_hz as usize / 50, 0);
            return;
        };
        decoder.conceal(samples, next, &mut self.scratch);
        let from_hz = decoder.rate_hz();
        self.append(from_hz, rate_hz);
    }

    /// Plays the samples from `from` on a little faster or slower.
    pub(super) fn adjust(
        &mut self,
        heard: &mut impl Playable,
        tempo: Tempo,
        from: usize,
        rate_hz: u32,
    ) {
        let quiet = self.pcm.get(from..).is_some_and(is_quiet);
        // What a pause suggested is not done to the word that ends it.
        let word = self.quiet && !quiet;
        if tempo == Tempo::Keep || word && matches!(tempo, Tempo::Shorten { urgent: false, .. }) {
            return;
        }
        if self.stretch.rate_hz() != rate_hz {
            self.stretch = Stretch::new(rate_hz);
        }
        let us = |samples: usize| {
            Duration::from_micros(samples as u64 * 1_000_000 / u64::from(rate_hz.max(1)))
        };
        let easy = |urgent: bool| match (self.quiet && quiet, urgent) {
            (true, _) => Easy::Quiet,
            (false, true) => Easy::Urgent,
            (false, false) => Easy::No,
        };
        match tempo {
            Tempo::Keep => {}
            Tempo::Shorten { most_us, urgent } => {
                let easy = easy(urgent);
                let gone = self.stretch.shorten(&mut self.pcm, from, most_us, easy);
                heard.stretched(us(gone), Duration::ZERO);
            }
            Tempo::Lengthen => {
                let easy = easy(false);
                let came = self.stretch.lengthen(&mut self.pcm, from, PIECE_US, easy);
                heard.stretched(Duration::ZERO, us(came));
            }
        }
    }

    /// Learns from what was just decoded what a pause of the far end sounds like.
    fn listen(&mut self, codec: Codec, rate_hz: u32) {
        let from_hz = if codec == Codec::Opus {
            rate_hz
        } else {
            codec.audio_rate()
        };
        if !self.voice.is_speech(&self.scratch, from_hz) {
            self.background.listen(&self.scratch);
        }
    }

    /// Noise until there is as much as wanted.
    fn pause(&mut self, noise: &Noise, codec: Option<Codec>, wanted: usize, rate_hz: u32) {
        let from_hz = match codec {
            Some(codec) if codec != Codec::Opus => codec.audio_rate(),
            _ => rate_hz,
        };
        let missing = wanted.saturating_sub(self.pcm.len());
        let samples = (missing * from_hz as usize).div_ceil(rate_hz.max(1) as usize);
        self.scratch.clear();
        self.noise.make(noise, samples, &mut self.scratch);
        self.append(from_hz, rate_hz);
    }

    /// Takes the samples in `scratch`.
    fn append(&mut self, from_hz: u32, to_hz: u32) {
        if from_hz == to_hz {
            self.pcm.extend_from_slice(&self.scratch);
            return;
        }
        let fits =
            |resampler: &Resampler| (resampler.from_hz(), resampler.to_hz()) == (from_hz, to_hz);
        if !self.resampler.as_ref().is_some_and(fits) {
            self.resampler = None;
            match Resampler::new(from_hz, to_hz) {
                Ok(resampler) => {
                    self.resampler = Some(resampler);
                    let filter = (u64::from(to_hz) * FILTER_US / 1_000_000) as usize;
                    self.pcm.resize(self.pcm.len() + filter, 0);
                }
                Err(error) => self.failed = Some(error),
            }
        }
        match &mut self.resampler {
            Some(resampler) => resampler.push(&self.scratch, &mut self.pcm),
            None => {
                let length = self.scratch.len() * to_hz as usize / from_hz as usize;
                self.pcm.resize(self.pcm.len() + length, 0);
            }
        }
    }
}

/// The decoder of this codec, made when first needed.
fn decoder<'a>(
    decoders: &'a mut Vec<(Codec, Decoder)>,
    codec: Codec,
    rate_hz: u32,
    failed: &mut Option<CodecError>,
) -> Option<&'a mut Decoder> {
    let index = match decoders.iter().position(|(other, _)| *other == codec) {
        Some(index) => index,
        None => match Decoder::new(codec, rate_hz) {
            Ok(decoder) => {
                decoders.push((codec, decoder));
                decoders.len() - 1
            }
            Err(error) => {
                *failed = Some(error);
                return None;
            }
        },
    };
    decoders.get_mut(index).map(|(_, decoder)| decoder)
}
