// SPDX-License-Identifier: MPL-2.0
//! Connections of others that were not given a word yet, and whose turn it is to go when there are too many.

use std::collections::{BTreeSet, HashMap};

use super::FlowId;
use crate::guard::Source;

/// By where they come from: over a connection nobody writes somebody else's address.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    by_source: HashMap<Source, BTreeSet<FlowId>>,
    /// The same, with how many there are of each.
    by_count: BTreeSet<(usize, Source)>,
    len: usize,
}

impl Strangers {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, source: Source, id: FlowId) {
        self.change(source, |flows| flows.insert(id));
    }

    pub(super) fn remove(&mut self, source: Source, id: FlowId) {
        self.change(source, |flows| flows.remove(&id));
    }

    fn change(&mut self, source: Source, change: impl FnOnce(&mut BTreeSet<FlowId>) -> bool) {
        let flows = self.by_source.entry(source).or_default();
        let before = flows.len();
        change(flows);
        let after = flows.len();
        self.len = self.len + after - before;
        self.by_count.remove(&(before, source));
        match after {
            0 => drop(self.by_source.remove(&source)),
            _ => drop(self.by_count.insert((after, source))),
        }
    }

    /// The oldest of those who have the most: whoever connects again and again pushes out their own.
    pub(super) fn first_to_go(&self) -> Option<FlowId> {
        let (_, source) = self.by_count.last()?;
        self.by_source.get(source)?.first().copied()
    }
}
