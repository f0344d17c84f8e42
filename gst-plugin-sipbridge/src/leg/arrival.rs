// SPDX-License-Identifier: MPL-2.0
//! How packets arrive: the fastest recent way, and how much later than that others come.

use std::collections::VecDeque;

/// Bins of the histogram of delays, and their width.
const BINS: usize = 100;
const BIN_US: i64 = 5_000;

/// What share of its weight an observation loses with each one after it: about 4 s of 20 ms
/// packets decide.
const FORGET: f32 = 0.995;

/// The share of packets the target must be late enough for.
const QUANTILE: f32 = 0.99;

/// The minimum is that of the last seconds, so that a drifting clock moves it along, and a first
/// packet that was sent too early is forgotten.
const WINDOW_US: i64 = 4_000_000;
const BUCKET_US: i64 = 500_000;

/// Transit times of one stream. A transit is arrival minus media time, both in microseconds from
/// epochs of their own, so only differences mean anything.
#[derive(Debug, Clone)]
pub(super) struct Arrivals {
    /// Start and lowest transit of each half second.
    buckets: VecDeque<(i64, i64)>,
    histogram: [f32; BINS],
    weight: f32,
}

impl Arrivals {
    pub(super) fn new() -> Arrivals {
        Arrivals {
            buckets: VecDeque::with_capacity(12),
            histogram: [0.0; BINS],
            weight: 0.0,
        }
    }

    /// Forgets how fast packets came, but not how unevenly: a new stream over the same network.
    pub(super) fn rebase(&mut self) {
        self.buckets.clear();
    }

    pub(super) fn observe(&mut self, now_us: i64, transit_us: i64) {
        match self.buckets.back_mut() {
            Some((start, lowest)) if now_us - *start < BUCKET_US => {
                *lowest = (*lowest).min(transit_us);
            }
            _ => self.buckets.push_back((now_us, transit_us)),
        }
        while self
            .buckets
            .front()
            .is_some_and(|(start, _)| now_us - start > WINDOW_US)
        {
            self.buckets.pop_front();
        }
        let late = transit_us - self.lowest().unwrap_or(transit_us);
        let bin = ((late / BIN_US).max(0) as usize).min(BINS - 1);
        for weight in &mut self.histogram {
            *weight *= FORGET;
        }
        self.weight = self.weight * FORGET + 1.0;
        if let Some(weight) = self.histogram.get_mut(bin) {
            *weight += 1.0;
        }
    }

    /// The fastest recent transit.
    pub(super) fn lowest(&self) -> Option<i64> {
        self.buckets.iter().map(|(_, lowest)| *lowest).min()
    }

    /// How much later than the fastest all but a few packets come, in microseconds.
    pub(super) fn spread_us(&self) -> i64 {
        let mut sum = 0.0;
        for (bin, weight) in self.histogram.iter().enumerate() {
            sum += weight;
            if sum >= self.weight * QUANTILE {
                // The first bin is what no network avoids.
                return bin as i64 * BIN_US + if bin == 0 { 0 } else { BIN_US };
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_arrivals_have_no_spread() {
        let mut arrivals = Arrivals::new();
        for i in 0..200 {
            arrivals.observe(i * 20_000, 500_000 + i % 3);
        }
        assert_eq!(arrivals.lowest(), Some(500_000));
        assert_eq!(arrivals.spread_us(), 0);
    }

    #[test]
    fn spread_covers_jitter_and_shrinks_after_it() {
        let mut arrivals = Arrivals::new();
        for i in 0..200 {
            arrivals.observe(i * 20_000, (i * 7 % 5) * 10_000);
        }
        assert!((40_000..=50_000).contains(&arrivals.spread_us()));
        for i in 200..1200 {
            arrivals.observe(i * 20_000, 0);
        }
        assert_eq!(arrivals.spread_us(), 0);
    }

    #[test]
    fn the_fastest_way_is_forgotten_as_clocks_drift() {
        let mut arrivals = Arrivals::new();
        for i in 0..3000 {
            arrivals.observe(i * 20_000, i * 4);
        }
        let lowest = arrivals.lowest().unwrap();
        assert!(lowest > 2_400 * 4, "{lowest}");
    }
}
