// SPDX-License-Identifier: MPL-2.0
//! What a context says about itself.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
    /// The share of the last second it worked, in thousandths of a core.
    pub load_permille: u32,
    /// Times a timer fired more than 20 ms late, so that a tick of a call was skipped.
    pub overruns: u64,
    /// Tasks removed because they panicked.
    pub panics: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) tasks: AtomicU32,
    pub(super) ticks: AtomicU64,
    pub(super) wakeups: AtomicU64,
    pub(super) late_max_us: AtomicU64,
    pub(super) load_permille: AtomicU32,
    pub(super) overruns: AtomicU64,
    pub(super) panics: AtomicU64,
}

impl Counters {
    pub(super) fn snapshot(&self) -> ContextStats {
        ContextStats {
            tasks: self.tasks.load(Ordering::Relaxed),
            ticks: self.ticks.load(Ordering::Relaxed),
            wakeups: self.wakeups.load(Ordering::Relaxed),
            late_max_us: self.late_max_us.load(Ordering::Relaxed),
            load_permille: self.load_permille.load(Ordering::Relaxed),
            overruns: self.overruns.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
        }
    }
}
