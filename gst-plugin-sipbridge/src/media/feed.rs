// SPDX-License-Identifier: MPL-2.0
//! From what was pushed in to packets in the call's codec.

use std::collections::VecDeque;
use std::time::Duration;

use rtp_types::RtpPacket;
use sip_ua::sdp::Codec;

use super::api::Format;
use super::input::SharedQueue;
use super::pauses::{Mode, Pauses, Say};
use crate::codec::chain::{Resampler, append_samples};
use crate::codec::{self, CodecError, Decoder, Encoder, OpusSettings, opus_packet_samples};
use crate::tones::Singer;

/// Samples of less than this (−50 dBFS) on average are quiet.
const QUIET: u32 = 100;

/// What there is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// A packet, so many RTP clock units long.
    Packet(u32),
    /// Comfort noise in place of so many RTP clock units.
    Noise(u32),
    /// So many RTP clock units that need not be sent (DTX).
    Pass(u32),
    /// Not enough audio for a packet.
    Nothing,
}

/// Turns input into packets. Knows no time.
pub(super) struct Feed {
    queue: SharedQueue,
    opus: OpusSettings,
    format: Option<Format>,
    codec: Codec,
    decoder: Option<Decoder>,
    resampler: Option<Resampler>,
    encoder: Option<Encoder>,
    /// Encoders other than Opus, brought up by whoever applied the agreement, off this thread.
    prepared: Vec<(Codec, Encoder)>,
    /// At the encoder's rate.
    pcm: Vec<i16>,
    scratch: Vec<i16>,
    /// In the call's codec already.
    packets: VecDeque<(Vec<u8>, u32)>,
    /// Payloads that were sent, to be filled again.
    spare: Vec<Vec<u8>>,
    /// Whether pauses need not be sent.
    dtx: bool,
    pauses: Pauses,
    singer: Singer,
    quiet: bool,
    /// How much raw audio came at once the last time, in microseconds.
    lump_us: u64,
    failed: Option<CodecError>,
}

impl Feed {
    pub(super) fn new(queue: SharedQueue, opus: OpusSettings, dtx: bool) -> Feed {
        Feed {
            queue,
            opus,
            format: None,
            codec: Codec::Pcmu,
            decoder: None,
            resampler: None,
            encoder: None,
            prepared: Vec::new(),
            pcm: Vec::new(),
            scratch: Vec::new(),
            packets: VecDeque::new(),
            spare: Vec::new(),
            dtx,
            pauses: Pauses::default(),
            singer: Singer::default(),
            quiet: false,
            lump_us: 0,
            failed: None,
        }
    }

    pub(super) fn prepare(&mut self, encoders: Vec<(Codec, Encoder)>) {
        self.prepared.extend(encoders);
    }

    /// The codec packets are to be in, and whether the far end takes comfort noise beside it.
    pub(super) fn set_codec(&mut self, codec: Codec, noise: bool) {
        self.pauses.set_mode(if self.dtx {
            Mode::of(codec, noise)
        } else {
            Mode::Off
        });
        if self.codec != codec {
            self.codec = codec;
            self.forget();
        }
    }

    /// Changes how Opus is encoded from the next packet on.
    pub(super) fn set_opus(&mut self, settings: OpusSettings) {
        self.opus = settings;
        if let Some(Encoder::Opus(opus)) = &mut self.encoder
            && let Err(error) = opus.set(settings)
        {
            self.failed = Some(error);
        }
    }

    /// Why the input cannot be encoded, once.
    pub(super) fn failed(&mut self) -> Option<CodecError> {
        self.failed.take()
    }

    fn forget(&mut self) {
        self.encoder = None;
        self.format = None;
        self.decoder = None;
        self.resampler = None;
        self.pcm.clear();
        self.packets.clear();
    }

    /// Drops all input: nothing is to be sent.
    pub(super) fn discard(&mut self) {
        self.queue.lock().clear();
        self.pcm.clear();
        self.packets.clear();
    }

    /// Leaves out what would be sent in so many RTP clock units.
    pub(super) fn skip(&mut self, samples: u32) {
        if !self.is_ready(samples) {
            return;
        }
        if let Some((packet, _)) = self.packets.pop_front() {
            self.spare.push(packet);
        } else if let Some(wanted) = self.frame(samples) {
            self.pcm.drain(..wanted);
        }
    }

    /// Digits to be sent as tones, after those that wait.
    pub(super) fn queue_tones(&mut self, digits: &str, duration_ms: u32) {
        // Checked when they were asked for; more than a queue's worth is dropped.
        if let Err(error) = self.singer.queue(digits, duration_ms) {
            tracing::warn!(%error, "digits are not sent");
        }
    }

    /// Whether tones are to be sent.
    pub(super) fn is_singing(&self) -> bool {
        !self.singer.is_idle()
    }

    /// Digits sent as tones so far.
    pub(super) fn sung(&self) -> u64 {
        self.singer.sung()
    }

    /// A packet of tones into `payload`, `samples` RTP clock units long, in place of what was pushed
    /// in.
    pub(super) fn sing(&mut self, samples: u32, payload: &mut Vec<u8>) -> Ready {
        self.skip(samples);
        if self.encoder.is_none()
            && let Err(error) = self.encode_at(self.codec.audio_rate())
        {
            self.failed = Some(error);
        }
        let Some(encoder) = &mut self.encoder else {
            return Ready::Pass(samples);
        };
        let rate_hz = encoder.rate_hz();
        let wanted = u64::from(samples) * u64::from(rate_hz) / u64::from(self.codec.clock_rate());
        self.scratch.clear();
        self.scratch.resize(wanted as usize, 0);
        self.singer.sing(rate_hz, &mut self.scratch);
        encoder.encode(&self.scratch, payload);
        if payload.is_empty() {
            Ready::Pass(samples)
        } else {
            Ready::Packet(samples)
        }
    }

    /// Audio not yet sent, in microseconds.
    pub(super) fn backlog_us(&self) -> u64 {
        let pcm = self.encoder.as_ref().map_or(0, |encoder| {
            self.pcm.len() as u64 * 1_000_000 / u64::from(encoder.rate_hz())
        });
        let packets: u64 = self
            .packets
            .iter()
            .map(|(_, samples)| {
                u64::from(*samples) * 1_000_000 / u64::from(self.codec.clock_rate())
            })
            .sum();
        pcm + packets + self.queue.lock().waiting_ns() / 1000
    }

    /// How much raw audio comes at once.
    pub(super) fn lump(&self) -> Duration {
        Duration::from_micros(self.lump_us)
    }

    /// Whether the last packet was near silence.
    pub(super) fn was_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a packet of `samples` RTP clock units can be had.
    pub(super) fn is_ready(&mut self, samples: u32) -> bool {
        loop {
            if !self.packets.is_empty() || self.frame(samples).is_some() {
                return true;
            }
            let next = {
                let mut queue = self.queue.lock();
                if std::mem::take(&mut queue.flushed) {
                    self.pcm.clear();
                    self.packets.clear();
                }
                queue.pop()
            };
            match next {
                Some((format, buffer)) => self.absorb(format, &buffer),
                None => return false,
            }
        }
    }

    /// The samples a packet of so many RTP clock units takes, if they are there.
    fn frame(&self, samples: u32) -> Option<usize> {
        let rate_hz = self.encoder.as_ref()?.rate_hz();
        let wanted = u64::from(samples) * u64::from(rate_hz) / u64::from(self.codec.clock_rate());
        let wanted = wanted as usize;
        (wanted > 0 && self.pcm.len() >= wanted).then_some(wanted)
    }

    /// The next packet into `payload`, if possible `samples` RTP clock units long: what was encoded
    /// elsewhere keeps its length.
    pub(super) fn take(&mut self, samples: u32, payload: &mut Vec<u8>) -> Ready {
        if !self.is_ready(samples) {
            return Ready::Nothing;
        }
        if let Some((mut packet, length)) = self.packets.pop_front() {
            std::mem::swap(payload, &mut packet);
            self.spare.push(packet);
            self.quiet = payload.len() <= 3;
            return Ready::Packet(length);
        }
        let Some(wanted) = self.frame(samples) else {
            return Ready::Nothing;
        };
        let (Some(frame), Some(encoder)) = (self.pcm.get(..wanted), &mut self.encoder) else {
            return Ready::Nothing;
        };
        let ready = match self.pauses.judge(frame, encoder.rate_hz()) {
            Say::Frame => {
                encoder.encode(frame, payload);
                if payload.is_empty() {
                    Ready::Pass(samples)
                } else {
                    Ready::Packet(samples)
                }
            }
            Say::Noise(noise) => {
                noise.write(payload);
                Ready::Noise(samples)
            }
            Say::Nothing => Ready::Pass(samples),
        };
        self.quiet = is_quiet(frame);
        self.pcm.drain(..wanted);
        ready
    }

    /// What goes out where no input comes: silence, or what stands for it.
    pub(super) fn rest(&mut self, samples: u32, payload: &mut Vec<u8>) -> Ready {
        if self.pauses.are_left_out() {
            let rate_hz = self.codec.audio_rate();
            let length = u64::from(samples) * u64::from(rate_hz);
            let length = length / u64::from(self.codec.clock_rate());
            self.scratch.clear();
            self.scratch.resize(length as usize, 0);
            match self.pauses.judge(&self.scratch, rate_hz) {
                Say::Frame => {}
                Say::Noise(noise) => {
                    noise.write(payload);
                    return Ready::Noise(samples);
                }
                Say::Nothing => return Ready::Pass(samples),
            }
        }
        Ready::Packet(self.silence(samples, payload))
    }

    /// A packet of silence, and how long it is. In G.722 it comes from the encoder that makes all else: a
    /// decoder that heard another's is in another state, and garbles the word that follows.
    fn silence(&mut self, samples: u32, payload: &mut Vec<u8>) -> u32 {
        if self.codec != Codec::G722 {
            return codec::silence(self.codec, samples, payload);
        }
        let rate_hz = self.codec.audio_rate();
        if self.encoder.is_none()
            && let Err(error) = self.encode_at(rate_hz)
        {
            self.failed = Some(error);
        }
        let Some(encoder) = &mut self.encoder else {
            return codec::silence(self.codec, samples, payload);
        };
        let length = samples * rate_hz / self.codec.clock_rate();
        self.scratch.clear();
        self.scratch.resize(length as usize, 0);
        encoder.encode(&self.scratch, payload);
        samples
    }

    fn absorb(&mut self, format: Format, buffer: &gst::Buffer) {
        if self.format != Some(format) {
            self.format = Some(format);
            self.decoder = None;
            self.resampler = None;
            self.pcm.clear();
        }
        let Ok(map) = buffer.map_readable() else {
            return;
        };
        match format {
            Format::Raw { rate_hz } => {
                self.scratch.clear();
                append_samples(&map, &mut self.scratch);
                self.lump_us = self.scratch.len() as u64 * 1_000_000 / u64::from(rate_hz.max(1));
                self.absorb_samples(rate_hz);
            }
            Format::Encoded(codec) => self.absorb_packet(codec, &map),
            Format::Rtp { codec, .. } => {
                if let Ok(packet) = RtpPacket::parse(&map) {
                    self.absorb_packet(codec, packet.payload());
                }
            }
        }
    }

    fn absorb_packet(&mut self, codec: Codec, payload: &[u8]) {
        if codec == self.codec {
            let samples = match codec {
                Codec::Opus => opus_packet_samples(payload),
                Codec::Pcmu | Codec::Pcma | Codec::G722 => {
                    Some(payload.len() as u32).filter(|n| *n > 0)
                }
                Codec::L16 => Some(payload.len() as u32 / 2).filter(|n| *n > 0),
            };
            if let Some(samples) = samples {
                let mut packet = self.spare.pop().unwrap_or_default();
                packet.clear();
                packet.extend_from_slice(payload);
                self.packets.push_back((packet, samples));
            }
            return;
        }
        if self.decoder.is_none() {
            match Decoder::new(codec, self.codec.audio_rate()) {
                Ok(decoder) => self.decoder = Some(decoder),
                Err(error) => {
                    self.failed = Some(error);
                    return;
                }
            }
        }
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        self.scratch.clear();
        decoder.decode(payload, &mut self.scratch);
        let rate_hz = decoder.rate_hz();
        self.absorb_samples(rate_hz);
    }

    /// Takes the samples in `scratch`.
    fn absorb_samples(&mut self, rate_hz: u32) {
        if let Err(error) = self.match_rate(rate_hz) {
            self.failed = Some(error);
            return;
        }
        match &mut self.resampler {
            Some(resampler) => resampler.push(&self.scratch, &mut self.pcm),
            None => self.pcm.extend_from_slice(&self.scratch),
        }
    }

    /// Makes an encoder for samples near this rate.
    fn encode_at(&mut self, rate_hz: u32) -> Result<(), CodecError> {
        let prepared = self
            .prepared
            .iter()
            .position(|(codec, _)| *codec == self.codec);
        self.encoder = Some(match prepared {
            Some(index) => self.prepared.swap_remove(index).1,
            None => Encoder::new(self.codec, rate_hz, self.opus)?,
        });
        Ok(())
    }

    /// Sees that there is an encoder, and a resampler if it needs one.
    fn match_rate(&mut self, rate_hz: u32) -> Result<(), CodecError> {
        let fits = self.encoder.as_ref().is_some_and(|encoder| match encoder {
            Encoder::Opus(opus) => opus.rate_hz() == rate_hz,
            Encoder::G711(_) | Encoder::G722(_) | Encoder::L16 => true,
        });
        if !fits {
            self.pcm.clear();
            self.encode_at(rate_hz)?;
        }
        let wanted = self.encoder.as_ref().map_or(rate_hz, Encoder::rate_hz);
        if wanted == rate_hz {
            self.resampler = None;
        } else if self
            .resampler
            .as_ref()
            .is_none_or(|resampler| resampler.from_hz() != rate_hz)
        {
            self.resampler = Some(Resampler::new(rate_hz, wanted)?);
        }
        Ok(())
    }
}

/// Whether these samples are near silence.
pub(super) fn is_quiet(pcm: &[i16]) -> bool {
    let sum: u64 = pcm
        .iter()
        .map(|sample| u64::from(sample.unsigned_abs()))
        .sum();
    sum < u64::from(QUIET) * pcm.len() as u64
}
