// SPDX-License-Identifier: MPL-2.0
//! What came back of one stream.

use serde::Serialize;

/// A packet this long after the one before is a gap that is heard.
const GAP_NS: u64 = 45_000_000;

const FRAME_NS: u64 = 20_000_000;

/// In a pause Opus sends a packet once in so many frames.
const UNTOLD: u64 = 20;

/// RTP's fixed header.
pub const HEADER: usize = 12;

/// A packet, sent or received, with its time.
#[derive(Debug, Clone)]
pub struct Packet {
    pub at_ns: u64,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

/// The packets of a stream that is listened to.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub sent: Vec<Packet>,
    /// The sequence numbers of those sent that the network lost.
    pub lost: Vec<u16>,
    pub received: Vec<Packet>,
}

/// Counts, of one stream or of many.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub struct Tally {
    pub sent: u64,
    pub received: u64,
    /// Holes in the sequence numbers that came back.
    pub lost: u64,
    /// Packets that came more than 45 ms after the one before.
    pub gaps: u64,
    /// The longest time between two packets, in microseconds.
    pub longest_gap_us: u64,
    /// Streams from which nothing came at all.
    pub silent: u64,
    /// Frames of pauses that were left out on purpose: timestamps skip them, sequence numbers do not.
    pub rested: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.sent += other.sent;
        self.received += other.received;
        self.lost += other.lost;
        self.gaps += other.gaps;
        self.longest_gap_us = self.longest_gap_us.max(other.longest_gap_us);
        self.silent += other.silent;
        self.rested += other.rested;
    }

    /// Packets that did not come back, in percent of those that should have.
    ///
    /// Where pauses are left out only holes count: how long the last pause is, nobody has told yet.
    pub fn loss_percent(&self) -> f64 {
        let missing = match self.rested {
            0 => self.missing().max(self.lost),
            _ => self.lost,
        };
        100.0 * missing as f64 / self.sent.max(1) as f64
    }

    fn missing(&self) -> u64 {
        self.sent.saturating_sub(self.received + self.rested)
    }

    /// Whether a listener would have heard all of it in time.
    ///
    /// At the two ends of the measured time a packet or two of each stream is under way, which is no loss;
    /// nor is a pause whose length only the next packet will tell.
    pub fn is_clean(&self, streams: usize) -> bool {
        let each = if self.rested > 0 { 4 + 2 * UNTOLD } else { 4 };
        let under_way = each * streams as u64;
        self.silent == 0 && self.lost == 0 && self.gaps == 0 && self.missing() <= under_way
    }
}

/// Follows what comes back of one stream.
#[derive(Debug, Default)]
pub struct Follower {
    received: u64,
    lost: u64,
    gaps: u64,
    longest_ns: u64,
    last: Option<(u64, u32)>,
    next: Option<u16>,
    /// How far timestamps go on in a frame, where pauses may be left out.
    step: Option<u32>,
    rested: u64,
    pub heard: Vec<Packet>,
}

impl Follower {
    /// Follows a stream from which pauses may be missing, of this timestamp step.
    pub fn of_pauses(step: u32) -> Follower {
        Follower {
            step: Some(step),
            ..Follower::default()
        }
    }

    /// Everything before does not count.
    pub fn begin(&mut self) {
        self.received = 0;
        self.lost = 0;
        self.gaps = 0;
        self.longest_ns = 0;
        self.rested = 0;
    }

    pub fn packet(&mut self, at_ns: u64, bytes: &[u8], recorded: bool) {
        let (Some(header), Some(payload)) = (bytes.get(..HEADER), bytes.get(HEADER..)) else {
            return;
        };
        let kind = header[1] & 0x7f;
        // RTCP on the same port (RFC 5761 section 4).
        if (64..=95).contains(&kind) && header[1] & 0x80 != 0 {
            return;
        }
        let sequence = u16::from_be_bytes([header[2], header[3]]);
        let timestamp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        self.received += 1;
        let ahead = self.next.map_or(0, |next| sequence.wrapping_sub(next));
        if let Some((last_ns, before)) = self.last {
            let rested = match self.step {
                // Where time went by a clock it is a sample more or less.
                Some(step) if ahead == 0 => {
                    let frames = timestamp.wrapping_sub(before).saturating_add(step / 2) / step;
                    u64::from(frames.clamp(1, 3_000) - 1)
                }
                _ => 0,
            };
            self.rested += rested;
            let gap = at_ns.saturating_sub(last_ns + rested * FRAME_NS);
            self.longest_ns = self.longest_ns.max(gap);
            self.gaps += u64::from(gap > GAP_NS);
        }
        self.last = Some((at_ns, timestamp));
        if ahead < 0x8000 {
            // Beyond this a stream began anew.
            self.lost += if ahead < 3_000 { u64::from(ahead) } else { 0 };
            self.next = Some(sequence.wrapping_add(1));
        } else {
            self.lost = self.lost.saturating_sub(1);
        }
        if recorded {
            self.heard.push(Packet {
                at_ns,
                sequence,
                timestamp,
                payload: payload.to_vec(),
            });
        }
    }

    pub fn tally(&self, sent: u64) -> Tally {
        Tally {
            sent,
            received: self.received,
            lost: self.lost,
            gaps: self.gaps,
            longest_gap_us: self.longest_ns / 1_000,
            silent: u64::from(sent > 0 && self.received == 0),
            rested: self.rested,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> [u8; 13] {
        let mut bytes = [0; 13];
        bytes[0] = 0x80;
        bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
        bytes
    }

    fn follow(packets: &[(u64, u16)]) -> Tally {
        let mut follower = Follower::default();
        for (ms, sequence) in packets {
            follower.packet(ms * 1_000_000, &packet(*sequence), false);
        }
        follower.tally(packets.len() as u64)
    }

    #[test]
    fn holes_are_losses_and_late_fillers_are_not() {
        assert_eq!(follow(&[(0, 65_534), (20, 65_535), (40, 0)]).lost, 0);
        assert_eq!(follow(&[(0, 1), (20, 2), (40, 5)]).lost, 2);
        assert_eq!(follow(&[(0, 1), (20, 3), (21, 2), (40, 4)]).lost, 0);
    }

    #[test]
    fn gaps_are_told_apart_from_jitter() {
        let tally = follow(&[(0, 1), (40, 2), (90, 3), (110, 4)]);
        assert_eq!((tally.gaps, tally.longest_gap_us), (1, 50_000));
        assert!(!tally.is_clean(1));
        assert!(follow(&[(0, 1), (20, 2)]).is_clean(1));
    }

    #[test]
    fn a_pause_is_no_gap_where_timestamps_tell_of_it() {
        let mut follower = Follower::of_pauses(960);
        for (sequence, (ms, timestamp)) in [(0, 0), (20, 960), (520, 24_960), (600, 25_920)]
            .into_iter()
            .enumerate()
        {
            let mut bytes = packet(sequence as u16);
            bytes[4..8].copy_from_slice(&u32::to_be_bytes(timestamp));
            follower.packet(ms * 1_000_000, &bytes, false);
        }
        let tally = follower.tally(28);
        assert_eq!((tally.rested, tally.gaps), (24, 1), "the last one is late");
        assert_eq!(tally.longest_gap_us, 80_000);
    }
}
