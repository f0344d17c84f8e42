// SPDX-License-Identifier: MPL-2.0
//! What comes in: which packets are the far end's, and what is in them.

use std::net::SocketAddr;
use std::time::Instant;

use rtp_types::RtpPacket;
use sip_ua::sdp::Codec;

use super::digits::Heard;
use super::jitter::{Arrived, Content, Inserted};
use super::source::Verdict;
use super::streams::Placed;
use super::{Leg, LegEvent};
use crate::codec::noise::Noise;

/// Comfort noise (RFC 3389) at its usual number: some send it unasked.
const COMFORT_NOISE: u8 = 13;

/// An Opus packet this small says that there is nothing to say (RFC 6716 section 2.1.9).
const OPUS_DTX_BYTES: usize = 2;

/// A packet of more audio than this is none.
const PACKET_MAX_MS: u32 = 200;

impl Leg {
    /// One RTP packet.
    pub(super) fn take_rtp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(negotiated) = &self.negotiated else {
            return;
        };
        let Ok(packet) = RtpPacket::parse(bytes) else {
            self.stats.malformed += 1;
            return;
        };
        let payload_type = packet.payload_type();
        // RTCP on the RTP port (RFC 5761 section 4): some send it so unasked.
        if (64..=95).contains(&payload_type) && packet.marker_bit() {
            self.take_rtcp(now, from, bytes);
            return;
        }
        let codec = negotiated
            .receive
            .iter()
            .find(|(number, _)| *number == payload_type)
            .map(|(_, codec)| *codec);
        let is_former = codec.is_none();
        let mut former = self.former.iter();
        let codec = codec.or_else(|| {
            let found = former.find(|(number, _)| *number == payload_type);
            found.map(|(_, codec)| *codec)
        });
        let event_clock = negotiated
            .telephone_event_receive
            .iter()
            .find(|(number, _)| *number == payload_type)
            .map(|(_, clock_hz)| *clock_hz);
        let is_noise = payload_type == COMFORT_NOISE
            || negotiated.comfort_noise_receive.contains(&payload_type);
        let content = match codec {
            Some(codec) => match packet_samples(codec, packet.payload()) {
                Some(samples) => Content::Audio(codec, packet.payload(), samples),
                None => {
                    self.stats.malformed += 1;
                    return;
                }
            },
            None if event_clock.is_some() => Content::Event,
            None if is_noise => Content::Noise(Noise::parse(packet.payload())),
            None => {
                self.stats.malformed += 1;
                return;
            }
        };
        let receives = negotiated.direction.receives();
        match self
            .source
            .judge(from, packet.ssrc(), packet.sequence_number())
        {
            Verdict::Foreign => {
                self.stats.foreign += 1;
                self.stats.foreign_from = Some(from);
                return;
            }
            Verdict::Latched => self.events.push_back(LegEvent::Latched(from)),
            Verdict::Known => {}
        }
        self.heard_from(now);
        let Some(sequence) = self.sequence(packet.ssrc(), packet.sequence_number()) else {
            return;
        };
        let pauses = match content {
            Content::Audio(codec, payload, _) => {
                codec == Codec::Opus && payload.len() <= OPUS_DTX_BYTES
            }
            Content::Noise(_) => true,
            Content::Event => false,
        };
        self.liveness.rtp(now, pauses);
        self.stats.packets_received += 1;
        self.stats.bytes_received += packet.payload().len() as u64;
        if let Some(clock_hz) = event_clock {
            let heard = self
                .digits_in
                .receive(now, packet.timestamp(), clock_hz, packet.payload());
            self.digit(heard);
        }
        if let Content::Audio(codec, _, _) = content {
            if !is_former {
                self.former.clear();
            }
            if let Some(reception) = self.streams.current_mut() {
                reception.arrived(now, packet.timestamp(), codec.clock_rate());
            }
            self.heard_codec(codec);
        }
        if receives {
            let arrived = Arrived {
                sequence,
                timestamp: packet.timestamp(),
                marker: packet.marker_bit(),
                // No offer to a phone names the extension.
                level: None,
                content,
            };
            let inserted = match &mut self.sequencer {
                Some(sequencer) => sequencer.insert(now, arrived),
                None => self.jitter.insert(now, arrived),
            };
            match inserted {
                Inserted::Kept => {}
                Inserted::Duplicate => self.stats.duplicates += 1,
                Inserted::Late => self.stats.late += 1,
            }
        }
        self.heard_at = Some(now);
    }

    fn heard_from(&mut self, now: Instant) {
        self.heard = true;
        if self.peer_silent {
            self.peer_silent = false;
            self.sender.resume(now, self.send_clock_hz());
        }
    }

    /// The extended sequence number, where SSRC and sequence are plausible.
    fn sequence(&mut self, ssrc: u32, sequence: u16) -> Option<i64> {
        match self.streams.place(ssrc, sequence) {
            Placed::Fits(extended) => Some(extended),
            Placed::Began(extended) => {
                self.begin_source();
                Some(extended)
            }
            Placed::Duplicate => {
                self.stats.duplicates += 1;
                None
            }
            Placed::Nowhere => None,
        }
    }

    /// Another stream: its numbers have nothing to do with those before.
    fn begin_source(&mut self) {
        self.restart_playout();
        self.reports.forget_source();
        let heard = self.digits_in.reset();
        self.digit(heard);
    }

    fn heard_codec(&mut self, codec: Codec) {
        if self.receive_codec == Some(codec) {
            return;
        }
        if self.receive_codec.is_none() {
            self.events.push_back(LegEvent::Started);
        }
        self.receive_codec = Some(codec);
        if codec.clock_rate() != self.jitter.clock_hz() {
            self.restart_at(codec.clock_rate());
        }
        self.events.push_back(LegEvent::CodecChanged(codec));
    }

    pub(super) fn digit(&mut self, heard: Option<Heard>) {
        if let Some(Heard { digit, duration_ms }) = heard {
            self.stats.digits_received += 1;
            self.events
                .push_back(LegEvent::Digit { digit, duration_ms });
        }
    }

    /// One RTCP packet.
    pub(super) fn take_rtcp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        if self.negotiated.is_none() {
            return;
        }
        if !self.source.judge_rtcp(from) {
            self.stats.foreign += 1;
            return;
        }
        let ssrc = self.streams.current().map(|reception| reception.ssrc);
        if self.reports.receive(now, bytes, ssrc) {
            self.liveness.rtcp(now);
            self.heard_from(now);
        } else {
            self.stats.malformed += 1;
        }
    }
}

/// How much audio a payload holds, in RTP clock units; `None`: it cannot be one.
pub(super) fn packet_samples(codec: Codec, payload: &[u8]) -> Option<u32> {
    let samples = match codec {
        // G.722 carries two samples a byte, at a clock that counts half of them.
        Codec::Pcmu | Codec::Pcma | Codec::G722 => payload.len() as u32,
        Codec::L16 => payload.len() as u32 / 2,
        Codec::Opus => crate::codec::opus_packet_samples(payload)?,
    };
    (1..=codec.clock_rate() / 1000 * PACKET_MAX_MS)
        .contains(&samples)
        .then_some(samples)
}
