// SPDX-License-Identifier: MPL-2.0
//! What goes out: the leg owns SSRC, sequence and timestamps of all it sends.

use std::time::{Duration, Instant};

use rtp_types::RtpPacketBuilder;

use super::reports::Sent;

/// The share of a packet's being early or late by which a source's clock is followed.
const FOLLOW: i64 = 100;

/// The outgoing RTP stream.
#[derive(Debug)]
pub(super) struct Sender {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Instant and timestamp that belong together: what timestamps resume by after a pause.
    anchor: Option<(Instant, u32, u32)>,
    packets: u64,
    bytes: u64,
    /// Packets and bytes of former SSRCs among them.
    former: (u64, u64),
    /// Set on the first packet of a talkspurt (RFC 3551 section 4.1).
    talkspurt: bool,
    buffer: Vec<u8>,
}

impl Sender {
    pub(super) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Sender {
        Sender {
            ssrc,
            sequence,
            timestamp,
            anchor: None,
            packets: 0,
            bytes: 0,
            former: (0, 0),
            talkspurt: true,
            buffer: Vec::with_capacity(512),
        }
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What a sender report tells of this SSRC (RFC 3550 section 6.4.1).
    pub(super) fn report(&self, now: Instant) -> Sent {
        let (packets, bytes) = self.former;
        Sent {
            packets: self.packets - packets,
            bytes: self.bytes - bytes,
            rtp_now: self.timestamp_at(now),
        }
    }

    /// What follows is a stream of its own. Returns its SSRC.
    pub(super) fn begin_stream(&mut self) -> u32 {
        // One linear congruential step: no SSRC comes back.
        self.ssrc = self
            .ssrc
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        // Low, so that a lost first packet hides no wrap from SRTP (RFC 4568 section 6.4).
        self.sequence &= 0x7fff;
        self.former = (self.packets, self.bytes);
        self.talkspurt = true;
        self.ssrc
    }

    /// The timestamp of the next packet.
    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The timestamp that belongs to `now`, for sender reports.
    pub(super) fn timestamp_at(&self, now: Instant) -> u32 {
        self.anchor.map_or(self.timestamp, |(at, timestamp, hz)| {
            timestamp.wrapping_add(units(at, now, hz))
        })
    }

    /// Time passed without a packet: the next one is stamped with now, never with less than would
    /// follow the last, and begins a talkspurt.
    pub(super) fn resume(&mut self, now: Instant, clock_hz: u32) {
        match self.anchor {
            Some((_, _, hz)) if hz == clock_hz => {
                let by_clock = self.timestamp_at(now);
                if (by_clock.wrapping_sub(self.timestamp) as i32) > 0 {
                    self.timestamp = by_clock;
                }
            }
            // The first packet, or another clock rate: timestamps go on from where they are.
            _ => self.anchor = Some((now, self.timestamp, clock_hz)),
        }
        self.talkspurt = true;
    }

    /// A packet of audio, `samples` clock units long.
    pub(super) fn audio(&mut self, payload_type: u8, payload: &[u8], samples: u32) -> &[u8] {
        let timestamp = self.timestamp;
        let marker = std::mem::take(&mut self.talkspurt);
        self.advance(samples);
        self.write(payload_type, payload, timestamp, marker)
    }

    /// A packet of comfort noise; the audio after it begins a talkspurt.
    pub(super) fn noise(&mut self, payload_type: u8, payload: &[u8], samples: u32) -> &[u8] {
        let timestamp = self.timestamp;
        self.pass(samples);
        self.write(payload_type, payload, timestamp, false)
    }

    /// A packet of a digit; the audio after it begins a talkspurt.
    pub(super) fn event(
        &mut self,
        payload_type: u8,
        payload: &[u8],
        timestamp: u32,
        marker: bool,
        samples: u32,
    ) -> &[u8] {
        self.advance(samples);
        self.talkspurt = true;
        self.write(payload_type, payload, timestamp, marker)
    }

    /// Moves what timestamps say of now.
    pub(super) fn shift_clock(&mut self, later: Duration, earlier: Duration) {
        if let Some((at, _, _)) = &mut self.anchor {
            *at = *at + later - earlier;
        }
    }

    /// Moves what timestamps say of now towards: the next packet's timestamp is now's.
    pub(super) fn follow(&mut self, now: Instant) {
        let ahead = self.timestamp.wrapping_sub(self.timestamp_at(now)) as i32;
        if let Some((at, _, hz)) = &mut self.anchor {
            let us = i64::from(ahead) * 1_000_000 / i64::from(*hz).max(1) / FOLLOW;
            let step = Duration::from_micros(us.unsigned_abs());
            *at = if us > 0 {
                at.checked_sub(step).unwrap_or(*at)
            } else {
                *at + step
            };
        }
    }

    /// A packet is missing.
    pub(super) fn lose(&mut self, samples: u32) {
        self.advance(samples);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Time passes in silence that is not sent.
    pub(super) fn pass(&mut self, samples: u32) {
        self.advance(samples);
        self.talkspurt = true;
    }

    fn advance(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    fn write(&mut self, payload_type: u8, payload: &[u8], timestamp: u32, marker: bool) -> &[u8] {
        self.buffer.clear();
        let builder = RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(payload_type & 0x7f)
            .marker_bit(marker)
            .sequence_number(self.sequence)
            .timestamp(timestamp)
            .ssrc(self.ssrc)
            .payload(payload);
        builder.write_into_vec_unchecked(&mut self.buffer);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.bytes += payload.len() as u64;
        &self.buffer
    }
}

fn units(from: Instant, to: Instant, clock_hz: u32) -> u32 {
    let micros = to.saturating_duration_since(from).as_micros() as u64;
    (micros * u64::from(clock_hz) / 1_000_000) as u32
}
