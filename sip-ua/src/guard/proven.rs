// SPDX-License-Identifier: MPL-2.0
//! Who gave the right credentials not long ago.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::Source;

/// For so long at least, for twice as long at most.
const REMEMBERED: Duration = Duration::from_secs(3600);
const MOST: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Proven {
    young: HashSet<Source>,
    old: HashSet<Source>,
    /// When the young ones began to be gathered.
    since: Option<Instant>,
}

impl Proven {
    pub(super) fn remember(&mut self, now: Instant, source: Source) {
        self.age(now);
        if self.young.len() >= MOST && !self.young.contains(&source) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(source);
    }

    pub(super) fn holds(&mut self, now: Instant, source: Source) -> bool {
        self.age(now);
        self.young.contains(&source) || self.old.contains(&source)
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn age(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let age = now.saturating_duration_since(since);
        if age < REMEMBERED {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= 2 * REMEMBERED {
            self.old.clear();
        }
        self.since = Some(now);
    }
}
