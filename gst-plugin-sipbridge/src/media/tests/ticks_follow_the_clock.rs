// SPDX-License-Identifier: MPL-2.0
//! The tick in virtual time: it keeps to the pipeline's clock, skips what it overran, and rests
//! while the pipeline does.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::output::Output;
use super::*;
use crate::codec::OpusSettings;
use crate::leg::{Leg, LegConfig};

const PAUSED: u64 = u64::MAX;

struct Pipeline {
    running_us: std::sync::Arc<AtomicU64>,
    frames: Sender<(u64, bool)>,
}

impl AudioOut for Pipeline {
    fn running_time(&self) -> Option<gst::ClockTime> {
        match self.running_us.load(Ordering::Relaxed) {
            PAUSED => None,
            us => Some(gst::ClockTime::from_useconds(us)),
        }
    }

    fn frame(&mut self, frame: OutFrame) {
        let OutFrame::Audio(buffer) = frame else {
            panic!("raw audio has no gaps");
        };
        let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
        let _ = self
            .frames
            .send((buffer.pts().unwrap().useconds(), discont));
    }
}

struct Ticker {
    now: Instant,
    running_us: std::sync::Arc<AtomicU64>,
    frames: Receiver<(u64, bool)>,
    output: Output,
    leg: Leg,
}

impl Ticker {
    fn new() -> Ticker {
        gst::init().unwrap();
        let now = Instant::now();
        let running_us = std::sync::Arc::new(AtomicU64::new(0));
        let (say, frames) = channel();
        let sink = Box::new(Pipeline {
            running_us: running_us.clone(),
            frames: say,
        });
        let format = Format::Raw { rate_hz: 8_000 };
        let config = LegConfig {
            ssrc: 1,
            sequence: 1,
            timestamp: 1,
            cname: String::new(),
            ntp_epoch: 0,
            latency: Duration::from_millis(60),
            silent_peer: Duration::from_secs(30),
            media_timeout: Duration::ZERO,
        };
        Ticker {
            now,
            running_us,
            frames,
            output: Output::new(now, 0, format, sink, OpusSettings::default()),
            leg: Leg::new(now, config),
        }
    }

    /// Lets time pass on both clocks, then runs what is due.
    fn pass(&mut self, ours_us: u64, pipeline_us: u64) {
        self.now += Duration::from_micros(ours_us);
        if self.running_us.load(Ordering::Relaxed) != PAUSED {
            self.running_us.fetch_add(pipeline_us, Ordering::Relaxed);
        }
        self.output.tick(self.now, &mut self.leg);
    }
}

#[test]
fn a_pipeline_clock_that_drifts_is_followed_without_a_jump() {
    for pipeline_us in [999, 1_001] {
        let mut ticker = Ticker::new();
        for _ in 0..60_000 {
            ticker.pass(1_000, pipeline_us);
        }
        let frames: Vec<_> = ticker.frames.try_iter().collect();
        let expected = (60 * pipeline_us / 20) as usize;
        assert!(frames.len().abs_diff(expected) <= 2, "{}", frames.len());
        assert_eq!(frames.iter().filter(|(_, discont)| *discont).count(), 1);
        assert!(
            frames
                .windows(2)
                .all(|pair| pair[1].0 - pair[0].0 == 20_000)
        );
        let running = ticker.running_us.load(Ordering::Relaxed);
        let (last, _) = frames.last().unwrap();
        assert!(running.abs_diff(*last) < 30_000, "{last} at {running}");
    }
}

#[test]
fn an_overrun_is_skipped_and_not_made_up_for() {
    let mut ticker = Ticker::new();
    for _ in 0..1_000 {
        ticker.pass(1_000, 1_000);
    }
    let before = ticker.frames.try_iter().count();
    assert!((49..=51).contains(&before), "{before}");
    ticker.pass(150_000, 150_000);
    let after: Vec<_> = ticker.frames.try_iter().collect();
    assert_eq!(after, [(1_150_000, true)]);
    for _ in 0..100 {
        ticker.pass(1_000, 1_000);
    }
    let later: Vec<_> = ticker.frames.try_iter().collect();
    assert_eq!(later.len(), 5);
    assert!(later.iter().all(|(_, discont)| !discont));
}

#[test]
fn a_pipeline_that_does_not_play_gets_nothing() {
    let mut ticker = Ticker::new();
    ticker.running_us.store(PAUSED, Ordering::Relaxed);
    for _ in 0..500 {
        ticker.pass(1_000, 1_000);
    }
    assert_eq!(ticker.frames.try_iter().count(), 0);
    ticker.running_us.store(0, Ordering::Relaxed);
    for _ in 0..500 {
        ticker.pass(1_000, 1_000);
    }
    let frames: Vec<_> = ticker.frames.try_iter().collect();
    assert!((24..=25).contains(&frames.len()), "{}", frames.len());
    assert!(frames[0].1);
}
