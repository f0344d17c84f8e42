// SPDX-License-Identifier: MPL-2.0
//! Whether the far end still sends, as far as one may expect it to.
//!
//! On hold nothing is expected. RTCP is a sign of life like RTP. Who said that it pauses (comfort
//! noise, Opus's DTX) and never sends RTCP may be silent for longer.

use std::time::{Duration, Instant};

/// How many times the limit holds for a far end that pauses by its own word.
const PAUSING: u32 = 5;

#[derive(Debug)]
pub(super) struct Liveness {
    /// `None`: nothing is too long.
    limit: Option<Duration>,
    /// Since when it ought to send, or when it last did, or when its silence was told last.
    since: Option<Instant>,
    /// When it last sent anything, RTCP included.
    heard_at: Option<Instant>,
    expected: bool,
    pausing: bool,
    reports: bool,
}

impl Liveness {
    /// Zero: never too long.
    pub(super) fn new(limit: Duration) -> Liveness {
        Liveness {
            limit: Some(limit).filter(|limit| !limit.is_zero()),
            since: None,
            heard_at: None,
            expected: false,
            pausing: false,
            reports: false,
        }
    }

    /// An agreement has the far end send, or not.
    pub(super) fn agreed(&mut self, now: Instant, expected: bool) {
        if expected && !self.expected {
            self.since = Some(now);
        }
        self.expected = expected;
    }

    /// RTP came; `pauses`: it says that nothing follows for a while.
    pub(super) fn rtp(&mut self, now: Instant, pauses: bool) {
        self.pausing = pauses;
        self.alive(now);
    }

    /// RTCP came.
    pub(super) fn rtcp(&mut self, now: Instant) {
        self.reports = true;
        self.alive(now);
    }

    fn alive(&mut self, now: Instant) {
        self.since = Some(now);
        self.heard_at = Some(now);
    }

    /// When [`Liveness::timeout`] wants to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        let limit = self.limit.filter(|_| self.expected)?;
        let patience = if self.pausing && !self.reports {
            limit * PAUSING
        } else {
            limit
        };
        Some(self.since? + patience)
    }

    /// Whether it has been silent for too long, once each limit: what it has been silent for.
    pub(super) fn timeout(&mut self, now: Instant) -> Option<Duration> {
        let due = self.due().filter(|due| *due <= now)?;
        let silent_since = self.heard_at.or(self.since).unwrap_or(due);
        self.since = Some(now);
        Some(now.saturating_duration_since(silent_since))
    }
}
