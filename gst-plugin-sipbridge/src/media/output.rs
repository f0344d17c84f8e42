// SPDX-License-Identifier: MPL-2.0
//! From the jitter buffer to whoever takes the far end's audio: the tick of a call.

use std::time::{Duration, Instant};

use rtp_types::RtpPacketBuilder;
use sip_ua::sdp::Codec;

use super::api::{AudioOut, Format, OutFrame};
use super::ears::Ears;
use super::player::Player;
use crate::codec::chain::write_samples;
use crate::codec::voice::{VoiceDetector, level_db};
use crate::codec::{self, CodecError, Decoder, Encoder, OpusSettings};
use crate::leg::{Leg, Listener, Playable, Playout};
use crate::ticks::Ticks;

const TICK_US: u64 = 20_000;

pub(super) struct Output {
    sink: Box<dyn AudioOut>,
    format: Format,
    opus: OpusSettings,
    player: Player,
    encoder: Option<Encoder>,
    /// The rate of the player's samples where they are encoded anew.
    between_hz: u32,
    bytes: Vec<u8>,
    scratch_bytes: Vec<u8>,
    /// Where digits may come as tones.
    ears: Option<Ears>,
    ticks: Ticks,
    discont: bool,
    /// The level of what is handed over next, in dB to full scale, and whether it is speech; where that is known.
    level: Option<(f32, bool)>,
    voice: VoiceDetector,
    /// Audio handed out beyond the last tick: packets that are longer than it.
    ahead_us: u64,
    rtp: RtpOut,
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
            player: Player::new(),
            encoder: None,
            between_hz: 8_000,
            bytes: Vec::new(),
            scratch_bytes: Vec::new(),
            ears: None,
            ticks: Ticks::new(now + Duration::from_micros(u64::from(phase_us))),
            discont: false,
            level: None,
            voice: VoiceDetector::default(),
            ahead_us: 0,
            rtp: RtpOut {
                ssrc: rand::random(),
                sequence: rand::random(),
                timestamp: rand::random(),
            },
        }
    }

    pub(super) fn prepare(&mut self, decoders: Vec<(Codec, Decoder)>) {
        self.player.prepare(decoders);
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
        self.player.failed()
    }

    /// One tick, if it is due. Says how many before it came too late to happen.
    pub(super) fn tick(&mut self, now: Instant, leg: &mut Leg) -> u64 {
        let Some(tick) = self.ticks.tick(now, || self.sink.running_time()) else {
            return 0;
        };
        if tick.begins {
            self.player.pcm.clear();
            self.ahead_us = 0;
            if let Some(ears) = &mut self.ears {
                ears.reset();
            }
            leg.restart_playout();
        }
        self.discont |= tick.discont;
        if let Some(at) = self.sink.wants_ticks_at() {
            self.ticks.go_towards(at, tick.discont);
        }
        match self.format {
            Format::Raw { rate_hz } => self.tick_raw(now, leg, tick.pts, rate_hz),
            Format::Encoded(codec) | Format::Rtp { codec, .. } => {
                self.tick_encoded(now, leg, tick.pts, codec);
            }
        }
        tick.skipped
    }

    fn tick_raw(&mut self, now: Instant, leg: &mut Leg, pts: gst::ClockTime, rate_hz: u32) {
        let wanted = rate_hz as usize / 50;
        self.player.may_rest = self.ears.is_none() && !self.sink.hears_silence();
        let ears = &mut self.ears;
        let heard = self.player.fill(now, leg, wanted, rate_hz, |pcm| {
            if let Some(ears) = ears {
                ears.samples(rate_hz, pcm);
            }
        });
        write_samples(self.player.next(wanted), &mut self.bytes);
        self.player.took(wanted);
        let duration = gst::ClockTime::from_useconds(TICK_US);
        self.level = self.player.rests_at_dbfs().map(|level| (level, false));
        self.give(pts, duration, !heard, false);
    }

    /// Packets of the codec wanted pass as they are; others are decoded and encoded anew.
    fn tick_encoded(&mut self, now: Instant, leg: &mut Leg, pts: gst::ClockTime, codec: Codec) {
        let tick = TICK_US;
        while self.ahead_us < tick {
            let ahead = Duration::from_micros(self.ahead_us) + self.player.held(self.between_hz);
            let pts = pts + gst::ClockTime::from_useconds(self.ahead_us);
            let listener = Listener {
                quiet: self.player.quiet,
                elastic: leg.codec().is_some_and(|other| other != codec),
                held: ahead,
            };
            match leg.playout(now, listener) {
                Playout::Frame(frame) if frame.codec == codec => {
                    self.bytes.clear();
                    self.bytes.extend_from_slice(frame.payload);
                    self.player.quiet = frame.payload.len() <= 3;
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
                    let (from, tempo) = (self.player.pcm.len(), frame.tempo);
                    self.player.decode(frame, rate_hz);
                    self.take_tones(from, rate_hz);
                    self.player.adjust(leg, tempo, from, rate_hz);
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
                        let from = self.player.pcm.len();
                        self.player.conceal(lost, samples, next, rate_hz);
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
            self.player.pcm.clear();
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
                Err(error) => self.player.fail(error),
            }
        }
        let wanted = rate_hz as usize / 50;
        while self.player.pcm.len() >= wanted {
            let frame = self.player.next(wanted);
            // Nobody can tell from the packet, and rooms show who talks by it (RFC 6464).
            self.level = Some((level_db(frame), self.voice.is_speech(frame, rate_hz)));
            if let Some(encoder) = &mut self.encoder {
                encoder.encode(frame, &mut self.bytes);
            }
            self.player.took(wanted);
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
            if let Some((level, is_speech)) = self.level.take() {
                let level = (-level).round().clamp(0.0, 127.0) as u8;
                gst_audio::AudioLevelMeta::add(buffer, level, is_speech);
            }
        }
        self.sink.frame(OutFrame::Audio(buffer));
    }

    /// Hears the samples from `from` on for tones, as long as they are as they came: played faster or
    /// slower, a key would have been held for another time.
    fn take_tones(&mut self, from: usize, rate_hz: u32) {
        if let (Some(ears), Some(pcm)) = (&mut self.ears, self.player.pcm.get_mut(from..)) {
            ears.samples(rate_hz, pcm);
        }
    }
}

fn length_us(codec: Codec, samples: u32) -> u64 {
    u64::from(samples) * 1_000_000 / u64::from(codec.clock_rate())
}
