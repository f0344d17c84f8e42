// SPDX-License-Identifier: MPL-2.0
//! What a context says about itself.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A timer this late has cost a call its tick.
const OVERRUN: Duration = Duration::from_millis(20);

/// Bounds of [`ContextStats::lateness`], in milliseconds.
pub const LATENESS_MS: [u64; 5] = [1, 2, 5, 10, 20];

/// Counters of one context, as of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContextStats {
    /// Tasks it runs now.
    pub tasks: u32,
    /// Timers that fired since it started.
    pub ticks: u64,
    /// Times its loop went round.
    pub wakeups: u64,
    /// The latest any timer ever fired, in microseconds past its time.
    pub late_max_us: u64,
    /// How late timers fired, in all microseconds.
    pub late_sum_us: u64,
    /// Timers that fired at most so late as [`LATENESS_MS`] says, each in its own class only; the
    /// last class is those that were later than all bounds.
    pub lateness: [u64; LATENESS_MS.len() + 1],
    /// The share of the last second it worked, in thousandths of a core.
    pub load_permille: u32,
    /// Times a timer fired more than 20 ms late: a tick of a call or a room came after its time.
    pub overruns: u64,
    /// Ticks of calls and rooms that came too late to happen at all: what was to be heard then is missing.
    pub skipped: u64,
    /// Tasks removed because they panicked.
    pub panics: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) tasks: AtomicU32,
    ticks: AtomicU64,
    pub(super) wakeups: AtomicU64,
    late_max_us: AtomicU64,
    late_sum_us: AtomicU64,
    lateness: [AtomicU64; LATENESS_MS.len() + 1],
    pub(super) load_permille: AtomicU32,
    overruns: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) panics: AtomicU64,
}

impl Counters {
    /// A timer fired this late.
    pub(super) fn fired(&self, late: Duration) {
        let late_us = late.as_micros() as u64;
        let class = LATENESS_MS
            .iter()
            .take_while(|bound| late_us > **bound * 1_000)
            .count();
        self.ticks.fetch_add(1, Ordering::Relaxed);
        self.late_sum_us.fetch_add(late_us, Ordering::Relaxed);
        self.late_max_us.fetch_max(late_us, Ordering::Relaxed);
        if let Some(class) = self.lateness.get(class) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        if late > OVERRUN {
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> ContextStats {
        ContextStats {
            tasks: self.tasks.load(Ordering::Relaxed),
            ticks: self.ticks.load(Ordering::Relaxed),
            wakeups: self.wakeups.load(Ordering::Relaxed),
            late_max_us: self.late_max_us.load(Ordering::Relaxed),
            late_sum_us: self.late_sum_us.load(Ordering::Relaxed),
            lateness: self
                .lateness
                .each_ref()
                .map(|class| class.load(Ordering::Relaxed)),
            load_permille: self.load_permille.load(Ordering::Relaxed),
            overruns: self.overruns.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
        }
    }
}
