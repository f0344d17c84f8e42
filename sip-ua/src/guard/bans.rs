// SPDX-License-Identifier: MPL-2.0
//! Who is banned, and who was not long ago.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::{Ban, Banned, Source};

#[derive(Debug, Clone, Copy)]
struct Record {
    until: Instant,
    nth: u32,
    /// Until then a further ban is longer than this one.
    forget_at: Instant,
}

#[derive(Debug)]
pub(super) struct Bans {
    records: HashMap<Source, Record>,
    /// The same, in the order they are forgotten.
    order: BTreeSet<(Instant, Source)>,
    limit: usize,
}

impl Bans {
    pub(super) fn new(limit: usize) -> Bans {
        Bans {
            records: HashMap::new(),
            order: BTreeSet::new(),
            limit: limit.max(1),
        }
    }

    pub(super) fn holds(&self, now: Instant, source: Source) -> bool {
        self.records
            .get(&source)
            .is_some_and(|record| record.until > now)
    }

    pub(super) fn holding(&self, now: Instant) -> usize {
        let records = self.records.values();
        records.filter(|record| record.until > now).count()
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Those that hold, by their sources.
    pub(super) fn list(&self, now: Instant) -> Vec<Banned> {
        let records = self.records.iter();
        let mut held: Vec<Banned> = records
            .filter(|(_, record)| record.until > now)
            .map(|(source, record)| Banned {
                source: *source,
                left: record.until - now,
                nth: record.nth,
            })
            .collect();
        held.sort_unstable_by_key(|banned| banned.source);
        held
    }

    /// Forgets a source altogether: a further ban is its first. Whether it was banned.
    pub(super) fn lift(&mut self, now: Instant, source: Source) -> bool {
        self.remove(source).is_some_and(|record| record.until > now)
    }

    /// Bans a source for `first`, and each time for twice as long as the last one, `longest` at most.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        source: Source,
        first: Duration,
        longest: Duration,
    ) -> Ban {
        self.forget(now);
        let before = self.remove(source);
        let nth = before.map_or(1, |record| record.nth.saturating_add(1));
        let doubled = 2u32.saturating_pow(nth - 1);
        let lasts = first.saturating_mul(doubled).min(longest.max(first));
        let until = now + lasts;
        let record = Record {
            until,
            nth,
            forget_at: until + longest,
        };
        if self.records.len() >= self.limit
            && let Some((_, soonest)) = self.order.pop_first()
        {
            self.records.remove(&soonest);
        }
        self.order.insert((record.forget_at, source));
        self.records.insert(source, record);
        Ban { source, lasts, nth }
    }

    fn remove(&mut self, source: Source) -> Option<Record> {
        let record = self.records.remove(&source)?;
        self.order.remove(&(record.forget_at, source));
        Some(record)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, source)) = self.order.first().copied()
            && at <= now
        {
            self.order.remove(&(at, source));
            self.records.remove(&source);
        }
    }
}
