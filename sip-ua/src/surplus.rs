// SPDX-License-Identifier: MPL-2.0
//! Room that a crowd needed, given back when it has gone: the collections of the standard library keep it.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Room that is never given back.
const KEPT: usize = 1024;

/// Of a queue, which most of the time is empty, less is: what waits in some is large.
const KEPT_WAITING: usize = 64;

/// Where at most a quarter is used, half of the room goes: so each element pays for little copying.
fn is_too_much(room: usize, used: usize) -> bool {
    room > KEPT && used < room / 4
}

pub(crate) trait Surplus {
    /// Gives room back that is no longer needed.
    fn give_back(&mut self);
}

impl<K: Eq + Hash, V, S: BuildHasher> Surplus for HashMap<K, V, S> {
    fn give_back(&mut self) {
        if is_too_much(self.capacity(), self.len()) {
            self.shrink_to(KEPT.max(self.len() * 2));
        }
    }
}

impl<T: Ord> Surplus for BinaryHeap<T> {
    fn give_back(&mut self) {
        if is_too_much(self.capacity(), self.len()) {
            self.shrink_to(KEPT.max(self.len() * 2));
        }
    }
}

/// The next of a queue, whose room goes once the last of a crowd was taken.
pub(crate) fn take<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let next = queue.pop_front();
    if next.is_none() && queue.capacity() > KEPT_WAITING {
        queue.shrink_to(KEPT_WAITING);
    }
    next
}

/// Drops what no longer counts from a queue in which that is most. `live`: how much may count.
pub(crate) fn weed<T: Ord>(queue: &mut BinaryHeap<T>, live: usize, counts: impl FnMut(&T) -> bool) {
    if queue.len() > KEPT + 2 * live {
        queue.retain(counts);
        queue.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_goes_with_the_crowd_and_some_stays() {
        let mut map: HashMap<u32, u32> = (0..100_000).map(|n| (n, n)).collect();
        let full = map.capacity();
        map.give_back();
        assert_eq!(map.capacity(), full);
        map.retain(|n, _| *n < 10_000);
        map.give_back();
        assert!(map.len() == 10_000 && map.capacity() < full / 2);
        map.clear();
        map.give_back();
        assert!((KEPT..4 * KEPT).contains(&map.capacity()));
        let mut heap: BinaryHeap<u32> = (0..100_000).collect();
        heap.clear();
        heap.give_back();
        assert!(heap.capacity() <= KEPT);
        let mut queue: VecDeque<u32> = (0..100_000).collect();
        assert!(take(&mut queue) == Some(0) && queue.capacity() > KEPT);
        while take(&mut queue).is_some() {}
        assert!(queue.capacity() <= 2 * KEPT_WAITING);
    }

    #[test]
    fn what_counts_outlasts_what_does_not() {
        let mut queue: BinaryHeap<u32> = (0..10_000).collect();
        weed(&mut queue, 5_000, |n| n % 10 == 0);
        assert_eq!(queue.len(), 10_000, "half of it may count");
        weed(&mut queue, 1_000, |n| n % 10 == 0);
        assert_eq!((queue.len(), queue.peek()), (1_000, Some(&9_990)));
        assert!(queue.capacity() < 10_000);
    }
}
