// SPDX-License-Identifier: MPL-2.0
//! Calls that come and go for a long time: what one leaves behind would show.

mod bridge;
mod worker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::Bench;
use super::strain::{Strain, Used};
use crate::load::Tally;

/// Memory that grows by more than this is not flat, in KiB a minute: a call leaves less than a
/// hundred bytes behind.
const FLAT_KIB_A_MINUTE: f64 = 6.0;

/// What there was at one time.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    pub at_s: u64,
    pub memory_kib: u64,
    pub threads: usize,
    pub descriptors: usize,
    pub cpu_percent: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Soak {
    /// Who was soaked.
    pub what: &'static str,
    pub calls_at_a_time: usize,
    /// All that there were.
    pub calls: usize,
    pub tally: Tally,
    /// What else was counted, by what it is.
    pub counts: BTreeMap<&'static str, u64>,
    /// Turns in which something else used the processor, or the load itself was late.
    pub disturbed: usize,
    pub points: Vec<Point>,
    /// Over the last two thirds.
    pub kib_a_minute: f64,
    pub flat: bool,
}

impl Soak {
    fn of(what: &'static str, calls_at_a_time: usize) -> Soak {
        Soak {
            what,
            calls_at_a_time,
            calls: 0,
            tally: Tally::default(),
            counts: BTreeMap::new(),
            disturbed: 0,
            points: Vec::new(),
            kib_a_minute: 0.0,
            flat: false,
        }
    }

    /// The least and the most there ever was.
    pub fn extremes(&self, value: impl Fn(&Point) -> usize) -> (usize, usize) {
        let least = self.points.iter().map(&value).min().unwrap_or(0);
        (least, self.points.iter().map(&value).max().unwrap_or(0))
    }

    /// Calls come and go.
    fn says(&self, bench: &Bench, started: Instant, length: Duration) {
        bench.progress.step(
            &format!(
                "soak, {}: {} calls so far, {} minutes of {}",
                self.what,
                self.calls,
                started.elapsed().as_secs() / 60,
                length.as_secs() / 60
            ),
            Duration::ZERO,
        );
    }

    /// Takes down a turn; whether anything disturbed it.
    fn turn(&mut self, bench: &Bench, started: Instant, strain: &Strain, used: &Used) -> bool {
        self.points.push(Point {
            at_s: started.elapsed().as_secs(),
            memory_kib: used.last.memory_kib,
            threads: used.last.threads,
            descriptors: used.last.descriptors,
            cpu_percent: strain.cpu_percent,
        });
        let disturbance = strain.disturbance();
        if let Some(disturbance) = &disturbance {
            self.disturbed += 1;
            bench.progress.note(disturbance);
        }
        disturbance.is_some()
    }

    fn judged(mut self) -> Soak {
        let settled = self.points.len() / 3;
        self.kib_a_minute = slope(self.points.get(settled..).unwrap_or_default());
        self.flat = self.kib_a_minute.abs() <= FLAT_KIB_A_MINUTE;
        self
    }
}

/// Each in turn, for so long. `only`: a part of the name of who is wanted.
pub fn soak(bench: &mut Bench, length: Duration, only: Option<&str>) -> Result<Vec<Soak>> {
    let wanted = |what: &str| only.is_none_or(|only| what.contains(only));
    let mut soaks = Vec::new();
    if wanted(bridge::NAME) {
        soaks.push(bridge::soak(bench, length)?);
    }
    if wanted(worker::NAME) {
        soaks.push(worker::soak(bench, length)?);
    }
    Ok(soaks)
}

/// How fast memory grows, in KiB a minute: the median over all pairs of points (Theil and Sen). What leaks grows
/// all the time; a step, made by a busy moment, is none.
fn slope(points: &[Point]) -> f64 {
    let between = |(early, late): (&Point, &Point)| {
        let minutes = (late.at_s - early.at_s) as f64 / 60.0;
        (late.memory_kib as f64 - early.memory_kib as f64) / minutes
    };
    let mut slopes: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(at, early)| points[at + 1..].iter().map(move |late| (early, late)))
        .map(between)
        .filter(|slope| slope.is_finite())
        .collect();
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_noise() {
        let points = |grows: u64, step: u64| -> Vec<Point> {
            (0..100)
                .map(|n| Point {
                    at_s: n * 10,
                    memory_kib: 50_000 + n * grows + n % 3 + if n < 20 { 0 } else { step },
                    threads: 3,
                    descriptors: 400,
                    cpu_percent: 50.0,
                })
                .collect()
        };
        assert!(slope(&points(0, 0)).abs() < FLAT_KIB_A_MINUTE);
        assert!(slope(&points(0, 4_000)).abs() < FLAT_KIB_A_MINUTE);
        assert!((slope(&points(5, 0)) - 30.0).abs() < 1.0);
    }
}
