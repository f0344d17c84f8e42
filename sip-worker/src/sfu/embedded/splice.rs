// SPDX-License-Identifier: MPL-2.0
//! Packets of one source after another, as one unbroken stream. No I/O here.
//!
//! A receiver knows a stream by its numbers: where they jump, its jitter buffer begins anew, and where they
//! go back, packets are taken for old. So what follows another source goes on where that one ended.

use std::time::{Duration, Instant};

/// The RTP clock of Opus (RFC 7587 section 4.1).
const CLOCK_HZ: u128 = 48_000;
/// A packet of Opus as most send it, in that clock.
const FRAME: u32 = 960;

/// One outgoing stream.
#[derive(Debug, Default)]
pub(super) struct Splice {
    /// Where the present source was joined on.
    seam: Option<Seam>,
    /// The latest packet that went out.
    latest: Option<Latest>,
}

#[derive(Debug, Clone, Copy)]
struct Seam {
    ssrc: u32,
    sequence: u64,
    timestamp: u32,
    /// What the first packet after the seam became.
    became: (u64, u32),
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    sequence: u64,
    timestamp: u32,
    at: Instant,
}

impl Splice {
    /// What comes next is of another source.
    pub(super) fn cut(&mut self) {
        self.seam = None;
    }

    /// The sequence number, extended, and the timestamp that a packet goes out with. `None`: it is from
    /// before the seam, and too late.
    pub(super) fn carry(
        &mut self,
        now: Instant,
        ssrc: u32,
        sequence: u64,
        timestamp: u32,
    ) -> Option<(u64, u32)> {
        let seam = match self.seam {
            Some(seam) if seam.ssrc == ssrc => seam,
            _ => *self.seam.insert(Seam {
                ssrc,
                sequence,
                timestamp,
                became: self.next(now, sequence, timestamp),
            }),
        };
        let sequence = seam.became.0 + sequence.checked_sub(seam.sequence)?;
        let timestamp = seam
            .became
            .1
            .wrapping_add(timestamp.wrapping_sub(seam.timestamp));
        if self.latest.is_none_or(|latest| latest.sequence < sequence) {
            self.latest = Some(Latest {
                sequence,
                timestamp,
                at: now,
            });
        }
        Some((sequence, timestamp))
    }

    fn next(&self, now: Instant, sequence: u64, timestamp: u32) -> (u64, u32) {
        match self.latest {
            // The first of all keeps its numbers, without the wraps it has seen elsewhere.
            None => (sequence & 0x7fff, timestamp),
            Some(latest) => {
                let passed = ticks(now.saturating_duration_since(latest.at)).max(FRAME);
                (latest.sequence + 1, latest.timestamp.wrapping_add(passed))
            }
        }
    }
}

fn ticks(time: Duration) -> u32 {
    // The clock wraps, and so does this.
    (time.as_micros() * CLOCK_HZ / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_goes_on_where_the_last_ended() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut splice = Splice::default();
        assert_eq!(splice.carry(at(0), 7, 70_000, 5_000), Some((4_464, 5_000)));
        assert_eq!(splice.carry(at(20), 7, 70_001, 5_960), Some((4_465, 5_960)));
        splice.cut();
        // 100 ms later somebody else, whose clock stands elsewhere.
        assert_eq!(splice.carry(at(120), 9, 3, 77), Some((4_466, 10_760)));
        assert_eq!(splice.carry(at(140), 9, 4, 1_037), Some((4_467, 11_720)));
    }

    #[test]
    fn order_and_gaps_are_the_sources_own() {
        let now = Instant::now();
        let mut splice = Splice::default();
        splice.carry(now, 7, 10, 0).unwrap();
        assert_eq!(splice.carry(now, 7, 13, 2_880), Some((13, 2_880)));
        assert_eq!(splice.carry(now, 7, 12, 1_920), Some((12, 1_920)));
        splice.cut();
        assert_eq!(splice.carry(now, 7, 20, 9_600), Some((14, 3_840)));
        assert_eq!(
            splice.carry(now, 7, 19, 8_640),
            None,
            "from before the seam"
        );
    }

    #[test]
    fn a_source_that_begins_anew_needs_no_telling() {
        let now = Instant::now();
        let mut splice = Splice::default();
        splice.carry(now, 7, 10, 0).unwrap();
        assert_eq!(splice.carry(now, 8, 60_000, 1), Some((11, FRAME)));
    }
}
