// SPDX-License-Identifier: MPL-2.0
//! A wire that delays, shakes, loses, doubles and reorders, in virtual time.

use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// What a line does to packets. The same seed does the same.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) delay: Duration,
    /// Added to the delay, evenly distributed.
    pub(crate) jitter: Duration,
    pub(crate) loss_percent: u32,
    pub(crate) doubled_percent: u32,
    /// Whether a packet may overtake the one before.
    pub(crate) reorders: bool,
    pub(crate) random: u64,
    pub(crate) last: Option<Instant>,
}

impl Line {
    pub(crate) fn clean() -> Line {
        Line {
            delay: 5 * MS,
            jitter: Duration::ZERO,
            loss_percent: 0,
            doubled_percent: 0,
            reorders: false,
            random: 1,
            last: None,
        }
    }

    pub(crate) fn jittery(ms: u32) -> Line {
        Line {
            jitter: MS * ms,
            ..Line::clean()
        }
    }

    pub(crate) fn lossy(percent: u32) -> Line {
        Line {
            loss_percent: percent,
            ..Line::clean()
        }
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX constants; the high bits are the good ones.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % sides.max(1)
    }

    /// When a packet sent now arrives: never, once or twice.
    pub(crate) fn carry(&mut self, now: Instant) -> Vec<Instant> {
        if self.roll(100) < u64::from(self.loss_percent) {
            return Vec::new();
        }
        let jitter = self.roll(self.jitter.as_micros() as u64 + 1);
        let mut at = now + self.delay + Duration::from_micros(jitter);
        if !self.reorders {
            at = self.last.map_or(at, |last| at.max(last));
            self.last = Some(at);
        }
        let mut arrivals = vec![at];
        if self.roll(100) < u64::from(self.doubled_percent) {
            arrivals.push(at + 3 * MS);
        }
        arrivals
    }
}
