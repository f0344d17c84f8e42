// SPDX-License-Identifier: MPL-2.0
//! Calls that come and go for a long time: what one leaves behind would show.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::Bench;
use super::load::{Places, under_load};
use crate::load::{Media, Network, Schedule, Stream, Tally};
use crate::peers::{Bridge, Call, Ours};

/// Calls at a time.
const CALLS: usize = 100;
/// So many end, and as many begin, in each turn.
const TURNOVER: usize = 10;
/// A turn: calls change, then all talk.
const TURN: Schedule = Schedule {
    warm_up: Duration::from_secs(1),
    measured: Duration::from_secs(9),
};

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
    pub calls_at_a_time: usize,
    /// All that there were.
    pub calls: usize,
    pub tally: Tally,
    pub points: Vec<Point>,
    /// Over the last two thirds.
    pub kib_a_minute: f64,
    pub flat: bool,
}

impl Soak {
    /// The least and the most there ever was.
    pub fn extremes(&self, value: impl Fn(&Point) -> usize) -> (usize, usize) {
        let least = self.points.iter().map(&value).min().unwrap_or(0);
        (least, self.points.iter().map(&value).max().unwrap_or(0))
    }
}

pub fn soak(bench: &mut Bench, length: Duration) -> Result<Soak> {
    let places = Places::of(bench)?;
    let phones = places.phones(CALLS);
    let ours = Ours::bridge();
    let mut bridge = Bridge::start(&bench.stage)?;
    // The number of the call at the bridge, its place among the phones, its legs.
    let mut calls: VecDeque<(usize, usize, Call)> = VecDeque::new();
    let mut soak = Soak {
        calls_at_a_time: CALLS,
        calls: 0,
        tally: Tally::default(),
        points: Vec::new(),
        kib_a_minute: 0.0,
        flat: false,
    };
    let started = Instant::now();
    while started.elapsed() < length {
        let mut free: Vec<usize> = (calls.len()..CALLS).collect();
        if calls.len() == CALLS {
            for (number, place, _) in calls.drain(..TURNOVER) {
                bridge.remove(number)?;
                free.push(place);
            }
        }
        for place in free {
            let Some(phones) = phones.get(place) else {
                continue;
            };
            let (number, call) = bridge.add(&ours, *phones)?;
            calls.push_back((number, place, call));
            soak.calls += 1;
        }
        let at = started.elapsed().as_secs();
        bench.progress.step(
            &format!(
                "soak: {} calls so far, {} minutes of {}",
                soak.calls,
                at / 60,
                length.as_secs() / 60
            ),
            Duration::ZERO,
        );
        let streams: Vec<Stream> = calls
            .iter()
            .flat_map(|(number, place, call)| streams(bench, &places, *number, *place, call))
            .collect();
        let (outcome, used) = under_load(bench, &bridge.process, &[], &streams, TURN)?;
        bridge.process.must_run()?;
        soak.tally.add(&outcome.total());
        soak.points.push(Point {
            at_s: started.elapsed().as_secs(),
            memory_kib: used.last.memory_kib,
            threads: used.last.threads,
            descriptors: used.last.descriptors,
            cpu_percent: 100.0 * used.cpu.as_secs_f64() / used.time.as_secs_f64(),
        });
    }
    let settled = soak.points.len() / 3;
    soak.kib_a_minute = slope(soak.points.get(settled..).unwrap_or_default());
    soak.flat = soak.kib_a_minute.abs() <= FLAT_KIB_A_MINUTE;
    Ok(soak)
}

fn streams(
    bench: &Bench,
    places: &Places,
    number: usize,
    place: usize,
    call: &Call,
) -> [Stream; 2] {
    let (pcmu, opus) = places.sockets(place);
    let stream = |socket, leg: crate::peers::Leg, media: &std::sync::Arc<Media>| Stream {
        socket,
        to: leg.to,
        from: leg.from,
        payload_type: leg.payload_type,
        media: media.clone(),
        first_frame: number * 37,
        recorded: false,
        network: Network::Clean,
    };
    [
        stream(pcmu, call.pcmu, &bench.speech.pcmu.phone),
        stream(opus, call.opus, &bench.speech.opus.room),
    ]
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
