// SPDX-License-Identifier: MPL-2.0
//! One voice of a room, as RTP from a connection that has found it genuine: order, jitter and loss,
//! without a far end to negotiate with or report to.

use std::time::{Duration, Instant};

use rtp_types::RtpPacket;
use sip_ua::sdp::Codec;

use super::jitter::{Arrived, Content, Inserted, JitterBuffer};
use super::playout::{Listener, Playable, Playout};
use super::receive::packet_samples;
use super::streams::{Placed, Streams};

/// Jitter beyond this is not waited for.
const DELAY_MAX: Duration = Duration::from_millis(200);

/// What a track counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackStats {
    /// Packets that came.
    pub packets: u64,
    /// Of those, which came too late to be heard.
    pub late: u64,
    /// Packets that are none of this codec.
    pub malformed: u64,
    /// Packets that were not there when they were to be heard.
    pub missed: u64,
    /// How long before it is heard a packet comes, at present.
    pub delay: Duration,
}

/// What one participant of a room sends.
#[derive(Debug)]
pub struct Track {
    codec: Codec,
    streams: Streams,
    jitter: JitterBuffer,
    stats: TrackStats,
}

impl Track {
    /// A track of this codec.
    pub fn new(now: Instant, codec: Codec) -> Track {
        let mut jitter = JitterBuffer::new(now, DELAY_MAX);
        jitter.reset(codec.clock_rate());
        Track {
            codec,
            streams: Streams::default(),
            jitter,
            stats: TrackStats::default(),
        }
    }

    /// Its codec.
    pub fn in_codec(&self) -> Codec {
        self.codec
    }

    /// One packet, with the level that it tells (RFC 6464), in dB below full scale. Its payload type is
    /// whatever was agreed on.
    pub fn insert(&mut self, now: Instant, packet: &RtpPacket<'_>, level: Option<u8>) {
        let payload = packet.payload();
        let Some(samples) = packet_samples(self.codec, payload) else {
            self.stats.malformed += 1;
            return;
        };
        let sequence = match self.streams.place(packet.ssrc(), packet.sequence_number()) {
            Placed::Fits(sequence) => sequence,
            Placed::Began(sequence) => {
                self.jitter.reset(self.codec.clock_rate());
                sequence
            }
            Placed::Duplicate | Placed::Nowhere => return,
        };
        self.stats.packets += 1;
        let inserted = self.jitter.insert(
            now,
            Arrived {
                sequence,
                timestamp: packet.timestamp(),
                marker: packet.marker_bit(),
                level,
                content: Content::Audio(self.codec, payload, samples),
            },
        );
        self.stats.late += u64::from(inserted == Inserted::Late);
    }

    /// Forgets what waits to be heard: nobody listened for a while.
    pub fn restart(&mut self) {
        self.jitter.reset(self.codec.clock_rate());
    }

    /// What it counts.
    pub fn stats(&self) -> TrackStats {
        TrackStats {
            missed: self.jitter.done().missed,
            delay: Duration::from_micros(self.jitter.delay_us().max(0) as u64),
            ..self.stats
        }
    }
}

impl Playable for Track {
    fn playout(&mut self, now: Instant, listener: Listener) -> Playout<'_> {
        self.jitter.pull(now, listener)
    }

    fn stretched(&mut self, out: Duration, put_in: Duration) {
        self.jitter.stretched(out, put_in);
    }

    fn codec(&self) -> Option<Codec> {
        Some(self.codec)
    }

    fn is_open(&self) -> bool {
        true
    }
}
