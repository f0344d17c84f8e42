// SPDX-License-Identifier: MPL-2.0
//! What is counted of each source.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Source;

/// Something that is used up by what happens and fills again as time passes: the time until which it
/// is paid for in advance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    paid: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace { paid: now }
    }

    /// Takes `cost`, unless more than `ahead` would then be taken in advance.
    pub(super) fn spend(&mut self, now: Instant, cost: Duration, ahead: Duration) -> bool {
        let paid = self.paid.max(now);
        if paid.duration_since(now) + cost > ahead {
            return false;
        }
        self.paid = paid + cost;
        true
    }

    fn give_back(&mut self, now: Instant, cost: Duration) {
        self.paid = self
            .paid
            .checked_sub(cost)
            .map_or(now, |paid| paid.max(now));
    }
}

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) pace: Pace,
    pub(super) failures: Pace,
    /// Times that it was asked for a password and has not answered yet.
    asked: u32,
}

impl Tally {
    fn new(now: Instant) -> Tally {
        Tally {
            pace: Pace::new(now),
            failures: Pace::new(now),
            asked: 0,
        }
    }

    /// It was asked for a password.
    pub(super) fn asked(&mut self) {
        self.asked = self.asked.saturating_add(1);
    }

    /// It has answered, rightly or not: that it was asked, for which it gave `cost`, is no failure.
    pub(super) fn answered(&mut self, now: Instant, cost: Duration) {
        if self.asked > 0 {
            self.asked -= 1;
            self.failures.give_back(now, cost);
        }
    }
}

#[derive(Debug)]
pub(super) struct Tallies {
    young: HashMap<Source, Tally>,
    old: HashMap<Source, Tally>,
    limit: usize,
}

impl Tallies {
    /// Keeps twice `limit` at most.
    pub(super) fn new(limit: usize) -> Tallies {
        Tallies {
            young: HashMap::new(),
            old: HashMap::new(),
            limit: limit.max(1),
        }
    }

    /// The tally of this source, which is young again by being asked for.
    pub(super) fn of(&mut self, now: Instant, source: Source) -> &mut Tally {
        if !self.young.contains_key(&source) && self.young.len() >= self.limit {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young
            .entry(source)
            .or_insert_with(|| old.remove(&source).unwrap_or_else(|| Tally::new(now)))
    }

    pub(super) fn known(&mut self, source: Source) -> Option<&mut Tally> {
        match self.young.get_mut(&source) {
            Some(tally) => Some(tally),
            None => self.old.get_mut(&source),
        }
    }

    pub(super) fn forget(&mut self, source: Source) {
        self.young.remove(&source);
        self.old.remove(&source);
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
