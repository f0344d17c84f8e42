// SPDX-License-Identifier: MPL-2.0
//! From the jitter buffer to whoever takes the far end's audio: the tick of a call.

use std::time::{Duration, Instant};

use rtp_types::RtpPacketBuilder;
use sip_ua::sdp::Codec;

use super::api::{AudioOut, Format, OutFrame};
use super::ears::Ears;
use super::feed::is_quiet;
use crate::codec::chain::{Resampler, write_samples};
use crate::codec::noise::{Background, Noise, NoiseMaker};
use crate::codec::stretch::{Easy, Stretch};
use crate::codec::voice::VoiceDetector;
use crate::codec::{self, CodecError, Decoder, Encoder, OpusSettings};
use crate::leg::{Frame, Leg, Listener, Playout, Tempo};
use crate::ticks::Ticks;

const TICK_US: u64 = 20_000;

/// What a resampler's filter may hold back; given in advance, so that a tick never has to take a
/// packet before its time.
const FILTER_US: u64 = 5_000;

/// Noise that the far end did not ask for is no louder than this, below the loudest there can be.
const UNASKED_DB: u8 = 50;

/// The longest piece of audio that is said twice to play slower.
const PIECE_US: u32 = 15_000;

pub(super) struct Output {
    sink: Box<dyn AudioOut>,
    format: Format,
    opus: OpusSettings,
    /// Decoders by codec; a call that changes codec may change back.
    decoders: Vec<(Codec, Decoder)>,
    resampler: Option<Resampler>,
    stretch: Stretch,
    /// What the far end's pauses sound like, for those it does not send.
    voice: VoiceDetector,
    background: Background,
    noise: NoiseMaker,
    encoder: Option<Encoder>,
    /// The rate of `pcm` where it is encoded anew.
    between_hz: u32,
    pcm: Vec<i16>,
    scratch: Vec<i16>,
    bytes: Vec<u8>,
    scratch_bytes: Vec<u8>,
    quiet: bool,
    /// Where digits may come as tones.
    ears: Option<Ears>,
    ticks: Ticks,
    discont: bool,
    /// Audio handed out beyond the last tick: packets that are longer than it.
    ahead_us: u64,
    rtp: RtpOut,
    failed: Option<CodecError>,
}

/// The headers of RTP handed to a pad: a stream of its own, from a random place.
struct RtpOut {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Output {
    pub(super) fn new(
        now: Instant,
        phase_us: u32,
        format: Format,
        sink: Box<dyn AudioOut>,
        opus: OpusSettings,
    ) -> Output {
        Output {
            sink,
            format,
            opus,
            decoders: Vec::new(),
            resampler: None,
            stretch: Stretch::new(8_000),
            voice: VoiceDetector::default(),
            background: Background::default(),
            noise: NoiseMaker::new(rand::random()),
            encoder: None,
            between_hz: 8_000,
            pcm: Vec::new(),
            scratch: Vec::new(),
            bytes: Vec::new(),
            scratch_bytes: Vec::new(),
            quiet: false,
            ears: None,
            ticks: Ticks::new(now + Duration::from_micros(u64::from(phase_us))),
            discont: false,
            ahead_us: 0,
            rtp: RtpOut {
                ssrc: rand::random(),
                sequence: rand::random(),
                timestamp: rand::random(),
            },
            failed: None,
        }
    }

    pub(super) fn prepare(&mut self, decoders: Vec<(Codec, Decoder)>) {
        for (codec, decoder) in decoders {
            if !self.decoders.iter().any(|(other, _)| *other == codec) {
                self.decoders.push((codec, decoder));
            }
        }
    }

    /// Listens for tones, or does so no more.
    pub(super) fn set_ears(&mut self, ears: Option<Ears>) {
        self.ears = ears;
    }

    /// What listens for tones, if anything does.
    pub(super) fn ears(&mut self) -> Option<&mut Ears> {
        self.ears.as_mut()
    }

    /// When the next tick is due.
    pub(super) fn due(&self) -> Instant {
        self.ticks.due()
    }

    /// Why the output cannot be made, once.
    pub(super) fn failed(&mut self) -> Option<CodecError> {
        self.failed.take()
    }

    /// One tick, if it is due.
    pub(super) fn tick(&mut self, now: Instant, leg: &mut Leg) {
        let Some(tick) = self.ticks.tick(now, || self.sink.running_time()) else {
            return;
        };
        if tick.begins {
            self.pcm.clear();
            self.ahead_us = 0;
            if let Some(ears) = &mut self.ears {
                ears.reset();
            }
            leg.restart_playout();
        }
        self.discont |= tick.discont;
        match self.format {
            Format::Raw { rate_hz } => self.tick_raw(now, leg, tick.pts, rate_hz),
            Format::Encoded(codec) | Format::Rtp { codec, .. } => {
                self.tick_encoded(now, leg, tick.pts, codec);
            }
        }
    }

    fn tick_raw(&mut self, now: Instant, leg: &mut Leg, pts: gst::ClockTime, rate_hz: u32) {
        let wanted = rate_hz as usize / 50;
        let mut heard = !self.pcm.is_empty();
        while self.pcm.len() < wanted {
            let from = self.pcm.len();
            let listener = Listener {
                quiet: self.quiet,
                elastic: true,
                held: held(&self.pcm, rate_hz),
            };
            match leg.playout(now, listener) {
                Playout::Frame(frame) => {
                    heard = true;
                    let tempo = frame.tempo;
                    self.decode(frame, rate_hz);
                    self.listen(frame.codec, rate_hz);
                    self.take_tones(from, rate_hz);
                    self.adjust(leg, tempo, from, rate_hz);
                    continue;
                }
                Playout::Lost {
                    codec,
                    samples,
                    next,
                } => {
                    heard = true;
                    self.conceal(codec, samples, next, rate_hz);
                }
                Playout::Noise(noise) => {
                    heard = true;
                    self.fill(&noise, leg.receive_codec(), wanted, rate_hz);
                }
                Playout::Silence => match self.background.noise().filter(|_| leg.receives()) {
                    Some(noise) => {
                        heard = true;
                        let noise = noise.at_most(UNASKED_DB);
                        self.fill(&noise, leg.receive_codec(), wanted, rate_hz);
                    }
                    None => self.pcm.resize(wanted, 0),
                },
            }
            self.take_tones(from, rate_hz);
        }
        let frame = self.pcm.get(..wanted).unwrap_or_default();
        self.quiet = is_quiet(frame);
        write_samples(frame, &mut self.bytes);
        self.pcm.drain(..wanted);
        let duration = gst::ClockTime::from_useconds(TICK_US);
        self.give(pts, duration, !heard, false);
    }

    /// Packets of the codec wanted pass as they are; others are decoded and encoded anew.
    fn tick_encoded(&mut self, now: Instant, leg: &mut Leg, pts: gst::ClockTime, codec: Codec) {
        let tick = TICK_US;
        while self.ahead_us < tick {
            let ahead = Duration::from_micros(self.ahead_us) + held(&self.pcm, self.between_hz);
            let pts = pts + gst::ClockTime::from_useconds(self.ahead_us);
            let listener = Listener {
                quiet: self.quiet,
                elastic: leg.receive_codec().is_some_and(|other| other != codec),
                held: ahead,
            };
            match leg.playout(now, listener) {
                Playout::Frame(frame) if frame.codec == codec => {
                    self.bytes.clear();
                    self.bytes.extend_from_slice(frame.payload);
                    self.quiet = frame.payload.len() <= 3;
                    let talkspurt = frame.talkspurt;
                    let length = length_us(codec, frame.samples);
                    if let Some(ears) = &mut self.ears
                        && ears.packet(codec, frame.payload)
                    {
                        codec::silence(codec, frame.samples, &mut self.bytes);
                    }
                    self.give(pts, gst::ClockTime::from_useconds(length), false, talkspurt);
                    self.ahead_us += length;
                }
                Playout::Frame(frame) => {
                    let rate_hz = self.between(frame.codec, codec);
                    let (from, tempo) = (self.pcm.len(), frame.tempo);
                    self.decode(frame, rate_hz);
                    self.take_tones(from, rate_hz);
                    self.adjust(leg, tempo, from, rate_hz);
                    self.encode(pts, codec);
                }
                Playout::Lost {
                    codec: lost,
                    samples,
                    next,
                } => {
                    if lost == codec {
                        let length = length_us(codec, samples);
                        if let Some(ears) = &mut self.ears {
                            ears.silence(length);
                        }
                        self.gap(pts, length, true);
                    } else {
                        let rate_hz = self.between(lost, codec);
                        let from = self.pcm.len();
                        self.conceal(lost, samples, next, rate_hz);
                        self.take_tones(from, rate_hz);
                        self.encode(pts, codec);
                    }
                }
                Playout::Noise(_) | Playout::Silence => {
                    let length = tick - self.ahead_us;
                    if let Some(ears) = &mut self.ears {
                        ears.silence(length);
                    }
                    self.gap(pts, length, false);
                }
            }
        }
        self.ahead_us -= tick;
    }

    /// The rate of the samples between a codec that came in and another that goes out: what came in
    /// is never upsampled for Opus, which takes any.
    fn between(&mut self, from: Codec, to: Codec) -> u32 {
        let rate_hz = match to {
            Codec::Opus => from.audio_rate(),
            other => other.audio_rate(),
        };
        if self.between_hz != rate_hz {
            self.between_hz = rate_hz;
            self.pcm.clear();
        }
        rate_hz
    }

    fn gap(&mut self, pts: gst::ClockTime, length_us: u64, lost: bool) {
        self.ahead_us += length_us;
        self.sink.frame(OutFrame::Gap {
            pts,
            duration: gst::ClockTime::from_useconds(length_us),
            lost,
        });
    }

    /// Encodes what makes up whole packets of 20 ms.
    fn encode(&mut self, mut pts: gst::ClockTime, codec: Codec) {
        let rate_hz = self.between_hz;
        if self
            .encoder
            .as_ref()
            .is_none_or(|encoder| encoder.rate_hz() != rate_hz)
        {
            match Encoder::new(codec, rate_hz, self.opus) {
                Ok(encoder) => self.encoder = Some(encoder),
                Err(error) => self.failed = Some(error),
            }
        }
        let wanted = rate_hz as usize / 50;
        while let Some(frame) = self.pcm.get(..wanted) {
            self.quiet = is_quiet(frame);
            if let Some(encoder) = &mut self.encoder {
                encoder.encode(frame, &mut self.bytes);
            }
            self.pcm.drain(..wanted);
            if self.bytes.is_empty() {
                self.gap(pts, TICK_US, false);
            } else {
                let duration = gst::ClockTime::from_useconds(TICK_US);
                self.give(pts, duration, false, false);
                self.ahead_us += TICK_US;
            }
            pts += gst::ClockTime::from_useconds(TICK_US);
        }
    }

    /// Hands out `bytes`.
    fn give(
        &mut self,
        pts: gst::ClockTime,
        duration: gst::ClockTime,
        silence: bool,
        talkspurt: bool,
    ) {
        if let Format::Rtp {
            codec,
            payload_type,
        } = self.format
        {
            let units = pts.nseconds() / 1000 * u64::from(codec.clock_rate()) / 1_000_000;
            self.scratch_bytes.clear();
            RtpPacketBuilder::<&[u8], &[u8]>::new()
                .payload_type(payload_type & 0x7f)
                .marker_bit(talkspurt)
                .sequence_number(self.rtp.sequence)
                .timestamp(self.rtp.timestamp.wrapping_add(units as u32))
                .ssrc(self.rtp.ssrc)
                .payload(&self.bytes)
                .write_into_vec_unchecked(&mut self.scratch_bytes);
            self.rtp.sequence = self.rtp.sequence.wrapping_add(1);
            std::mem::swap(&mut self.bytes, &mut self.scratch_bytes);
        }
        let Ok(mut buffer) = gst::Buffer::with_size(self.bytes.len()) else {
            return;
        };
        if let Some(buffer) = buffer.get_mut() {
            // The buffer was made for these bytes.
            let _ = buffer.copy_from_slice(0, &self.bytes);
            buffer.set_pts(pts);
            buffer.set_duration(duration);
            if std::mem::take(&mut self.discont) {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
            if silence {
                buffer.set_flags(gst::BufferFlags::GAP);
            }
            if talkspurt {
                buffer.set_flags(gst::BufferFlags::RESYNC);
            }
        }
        self.sink.frame(OutFrame::Audio(buffer));
    }

    fn decode(&mut self, frame: Frame<'_>, rate_hz: u32) {
        self.scratch.clear();
        let Some(decoder) = decoder(&mut self.decoders, frame.codec, rate_hz, &mut self.failed)
        else {
            let length = u64::from(frame.samples) * u64::from(rate_hz);
            let length = length / u64::from(frame.codec.clock_rate());
            self.pcm.resize(self.pcm.len() + length.max(1) as usize, 0);
            return;
        };
        decoder.decode(frame.payload, &mut self.scratch);
        let from_hz = decoder.rate_hz();
        self.append(from_hz, rate_hz);
    }

    /// Hears the samples from `from` on for tones, as long as they are as they came: played faster or
    /// slower, a key would have been held for another time.
    fn take_tones(&mut self, from: usize, rate_hz: u32) {
        if let (Some(ears), Some(pcm)) = (&mut self.ears, self.pcm.get_mut(from..)) {
            ears.samples(rate_hz, pcm);
        }
    }

    /// Plays the samples from `from` on a little faster or slower.
    fn adjust(&mut self, leg: &mut Leg, tempo: Tempo, from: usize, rate_hz: u32) {
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
                leg.stretched(us(gone), Duration::ZERO);
            }
            Tempo::Lengthen => {
                let easy = easy(false);
                let came = self.stretch.lengthen(&mut self.pcm, from, PIECE_US, easy);
                leg.stretched(Duration::ZERO, us(came));
            }
        }
    }

    fn conceal(&mut self, codec: Codec, samples: u32, next: Option<&[u8]>, rate_hz: u32) {
        self.scratch.clear();
        let Some(decoder) = decoder(&mut self.decoders, codec, rate_hz, &mut self.failed) else {
            self.pcm.resize(self.pcm.len() + rate_hz as usize / 50, 0);
            return;
        };
        decoder.conceal(samples, next, &mut self.scratch);
        let from_hz = decoder.rate_hz();
        self.append(from_hz, rate_hz);
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
    fn fill(&mut self, noise: &Noise, codec: Option<Codec>, wanted: usize, rate_hz: u32) {
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

/// How long samples that wait will last.
fn held(pcm: &[i16], rate_hz: u32) -> Duration {
    Duration::from_micros(pcm.len() as u64 * 1_000_000 / u64::from(rate_hz.max(1)))
}

fn length_us(codec: Codec, samples: u32) -> u64 {
    u64::from(samples) * 1_000_000 / u64::from(codec.clock_rate())
}
