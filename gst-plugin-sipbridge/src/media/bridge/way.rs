// SPDX-License-Identifier: MPL-2.0
//! One direction of a bridge, sans-IO: what one leg hears becomes the other's packets.

use std::time::{Duration, Instant};

use sip_ua::sdp::{Codec, Negotiated};

use super::super::api::MediaConfig;
use super::super::pace::Wire;
use super::super::pauses::{Mode, Pauses, Say};
use super::instead::Instead;
use super::lengths::{Joined, bytes_a_unit};
use super::tap::{Listener, Tap};
use crate::codec::chain::Resampler;
use crate::codec::{CodecError, Decoder, Encoder, OpusSettings};
use crate::leg::{Leg, Relayed};

/// What an agreement needs between two codecs, brought up off the context.
pub(super) struct Codecs {
    heard: Codec,
    said: Codec,
    /// How Opus is encoded, as the far end wants it.
    opus: OpusSettings,
    between: Option<(Decoder, Encoder, Option<Resampler>)>,
}

impl Codecs {
    /// Towards a leg of this configuration, with which this was agreed on.
    pub(super) fn new(
        heard: Codec,
        said: &Negotiated,
        config: &MediaConfig,
    ) -> Result<Codecs, CodecError> {
        let opus = config.opus.heeding(&said.opus_fmtp);
        Codecs::between(heard, said.codec, opus, config.repacketize)
    }

    fn between(
        heard: Codec,
        said: Codec,
        opus: OpusSettings,
        repacketize: bool,
    ) -> Result<Codecs, CodecError> {
        // What cannot be cut is decoded to get another length.
        let whole = bytes_a_unit(said).is_none();
        let between = if heard == said && !(repacketize && whole) {
            None
        } else {
            // What comes in is never upsampled for Opus, which takes any rate.
            let rate_hz = match said {
                Codec::Opus => heard.audio_rate(),
                other => other.audio_rate(),
            };
            let (decoder, encoder) = (
                Decoder::new(heard, rate_hz)?,
                Encoder::new(said, rate_hz, opus)?,
            );
            let (from_hz, to_hz) = (decoder.rate_hz(), encoder.rate_hz());
            let resampler = (from_hz != to_hz).then(|| Resampler::new(from_hz, to_hz));
            Some((decoder, encoder, resampler.transpose()?))
        };
        Ok(Codecs {
            heard,
            said,
            opus,
            between,
        })
    }

    fn fits(&self, heard: Codec, said: Codec) -> bool {
        (self.heard, self.said) == (heard, said)
    }
}

/// One direction.
pub(super) struct Way {
    codecs: Option<Codecs>,
    /// How Opus is encoded where codecs are wanted that no agreement announced.
    opus: OpusSettings,
    /// Whether pauses need not be sent; those of packets that pass as they are remain.
    dtx: bool,
    pauses: Pauses,
    /// Whether packets get the length that was agreed on, also those that are not encoded anew.
    repacketize: bool,
    joined: Joined,
    instead: Instead,
    /// Where what is said is listened to.
    tap: Option<Tap>,
    /// At the encoder's rate.
    pcm: Vec<i16>,
    scratch: Vec<i16>,
    payload: Vec<u8>,
    /// When the next packet of a digit is due.
    digit_due: Option<Instant>,
    failed: Option<CodecError>,
}

impl Way {
    /// Towards a leg of this configuration.
    pub(super) fn new(config: &MediaConfig) -> Way {
        Way {
            codecs: None,
            opus: config.opus,
            dtx: config.dtx,
            pauses: Pauses::default(),
            repacketize: config.repacketize,
            joined: Joined::default(),
            instead: Instead::default(),
            tap: None,
            pcm: Vec::new(),
            scratch: Vec::new(),
            payload: Vec::new(),
            digit_due: None,
            failed: None,
        }
    }

    pub(super) fn prepare(&mut self, codecs: Option<Codecs>) {
        let known = |codecs: &Codecs| {
            let fits =
                |other: &Codecs| other.fits(codecs.heard, codecs.said) && other.opus == codecs.opus;
            self.codecs.as_ref().is_some_and(fits)
        };
        if let Some(codecs) = &codecs {
            self.opus = codecs.opus;
        }
        // The same as before goes on: its memory is what was heard last.
        if let Some(codecs) = codecs.filter(|codecs| !known(codecs)) {
            self.codecs = Some(codecs);
            self.pcm.clear();
            self.joined.clear();
        }
    }

    /// Why the far end cannot be understood or spoken to, once.
    pub(super) fn failed(&mut self) -> Option<CodecError> {
        self.failed.take()
    }

    /// What is said in place of what is there.
    pub(super) fn instead(&mut self) -> &mut Instead {
        &mut self.instead
    }

    pub(super) fn set_listener(&mut self, listener: Option<Listener>) {
        self.tap = listener.map(Tap::new);
    }

    /// Sends what is due of what is said in place of what is there, and says when the next is.
    pub(super) fn speak(
        &mut self,
        now: Instant,
        to: &mut Leg,
        wire: &mut impl Wire,
    ) -> Option<Instant> {
        match self.instead.run(now, to, wire, self.opus) {
            Ok(due) => due,
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    /// Passes on what is there.
    pub(super) fn run(&mut self, now: Instant, from: &mut Leg, to: &mut Leg, wire: &mut impl Wire) {
        while let Some(relayed) = from.relay(now) {
            if let Some(tap) = &mut self.tap {
                tap.hear(&relayed);
            }
            let Some((said, ptime_ms)) = to
                .negotiated()
                .filter(|_| to.sends())
                .map(|agreed| (agreed.codec, u32::from(agreed.ptime_ms.max(10))))
            else {
                continue;
            };
            if to.sending_digits() || self.instead.replaces() {
                // What was to be said meanwhile is not said later.
                self.pcm.clear();
                self.joined.clear();
                continue;
            }
            match relayed {
                Relayed::Frame {
                    codec,
                    payload,
                    samples,
                    talkspurt,
                } => {
                    if talkspurt | self.instead.take_break() {
                        self.send_rest(now, to, wire);
                        self.pcm.clear();
                        to.resume_sending(now);
                    }
                    let wanted = said.clock_rate() / 1000 * ptime_ms;
                    let fits = !self.repacketize || (samples == wanted && self.joined.is_empty());
                    if codec == said && fits {
                        send(to, wire, now, payload, samples);
                    } else if let Some(unit) = bytes_a_unit(said).filter(|_| codec == said) {
                        self.joined.push(payload, unit);
                        while let Some(packet) = self.joined.packet(wanted) {
                            send(to, wire, now, packet, wanted);
                        }
                    } else if self.decode(codec, said, |decoder, pcm| decoder.decode(payload, pcm))
                    {
                        self.encode(now, ptime_ms, to, wire);
                    }
                }
                Relayed::Lost {
                    codec,
                    samples,
                    next,
                } => {
                    self.send_rest(now, to, wire);
                    if codec == said {
                        to.lose(samples);
                    } else if self.decode(codec, said, |decoder, pcm| {
                        decoder.conceal(samples, next, pcm);
                    }) {
                        self.encode(now, ptime_ms, to, wire);
                    }
                }
                Relayed::Noise(noise) => {
                    self.send_rest(now, to, wire);
                    noise.write(&mut self.payload);
                    to.resume_sending(now);
                    if let Some(datagram) = to.send_noise(&self.payload, 0) {
                        wire.send(datagram);
                    }
                }
            }
        }
    }

    /// Sends what waits to be a whole packet and will never be.
    fn send_rest(&mut self, now: Instant, to: &mut Leg, wire: &mut impl Wire) {
        if let Some((rest, samples)) = self.joined.rest() {
            send(to, wire, now, rest, samples);
        }
        self.joined.clear();
    }

    /// Appends to `pcm` what the decoder makes of it. False: there are no such codecs.
    fn decode(
        &mut self,
        heard: Codec,
        said: Codec,
        with: impl FnOnce(&mut Decoder, &mut Vec<i16>),
    ) -> bool {
        if !self
            .codecs
            .as_ref()
            .is_some_and(|codecs| codecs.fits(heard, said))
        {
            self.pcm.clear();
            match Codecs::between(heard, said, self.opus, self.repacketize) {
                Ok(codecs) => self.codecs = Some(codecs),
                Err(error) => {
                    self.codecs = None;
                    self.failed = Some(error);
                }
            }
        }
        let between = self
            .codecs
            .as_mut()
            .and_then(|codecs| codecs.between.as_mut());
        match between {
            Some((decoder, _, None)) => with(decoder, &mut self.pcm),
            Some((decoder, _, Some(resampler))) => {
                self.scratch.clear();
                with(decoder, &mut self.scratch);
                resampler.push(&self.scratch, &mut self.pcm);
            }
            None => return false,
        }
        true
    }

    /// Sends the whole packets that there are.
    fn encode(&mut self, now: Instant, ptime_ms: u32, to: &mut Leg, wire: &mut impl Wire) {
        let Some(codecs) = &mut self.codecs else {
            return;
        };
        let Some((_, encoder, _)) = &mut codecs.between else {
            return;
        };
        let rate_hz = encoder.rate_hz();
        let wanted = (rate_hz / 1000 * ptime_ms) as usize;
        let samples = codecs.said.clock_rate() / 1000 * ptime_ms;
        if self.dtx {
            let agreed = to.negotiated();
            let noise = agreed.is_some_and(|agreed| agreed.comfort_noise_send.is_some());
            self.pauses.set_mode(Mode::of(codecs.said, noise));
        }
        let mut taken = 0;
        while let Some(frame) = self.pcm.get(taken..taken + wanted) {
            taken += wanted;
            match self.pauses.judge(frame, rate_hz) {
                Say::Frame => encoder.encode(frame, &mut self.payload),
                Say::Noise(noise) => {
                    noise.write(&mut self.payload);
                    if let Some(datagram) = to.send_noise(&self.payload, samples) {
                        wire.send(datagram);
                    }
                    continue;
                }
                Say::Nothing => self.payload.clear(),
            }
            if self.payload.is_empty() {
                to.pass(samples);
            } else {
                send(to, wire, now, &self.payload, samples);
            }
        }
        self.pcm.drain(..taken);
    }

    /// Sends what is due of the digits that wait, and says when the next is.
    pub(super) fn digits(
        &mut self,
        now: Instant,
        to: &mut Leg,
        wire: &mut impl Wire,
    ) -> Option<Instant> {
        if !to.sending_digits() {
            self.digit_due = None;
            return None;
        }
        let (clock_hz, ptime_ms) = to.negotiated().map(|agreed| {
            (
                agreed.codec.clock_rate(),
                u32::from(agreed.ptime_ms.max(10)),
            )
        })?;
        let samples = clock_hz / 1000 * ptime_ms;
        let ptime = Duration::from_millis(u64::from(ptime_ms));
        let mut due = match self.digit_due {
            // A context that was held up does not burst.
            Some(due) if now < due + ptime => due,
            _ => {
                to.resume_sending(now);
                now
            }
        };
        if due <= now {
            match to.send_digit(samples) {
                Some(datagram) => wire.send(datagram),
                // Between two digits nothing is sent.
                None => to.pass(samples),
            }
            due += ptime;
        }
        self.digit_due = Some(due);
        to.sending_digits().then_some(due)
    }
}

fn send(to: &mut Leg, wire: &mut impl Wire, now: Instant, payload: &[u8], samples: u32) {
    to.follow_source(now);
    if let Some(datagram) = to.send_audio(payload, samples) {
        wire.send(datagram);
    }
}
