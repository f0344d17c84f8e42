// SPDX-License-Identifier: MPL-2.0
//! When a tick is due, and its running time: 20 ms after 20 ms, along with the pipeline's clock.

use std::time::{Duration, Instant};

/// The period.
const TICK: Duration = Duration::from_millis(20);

/// How far the pipeline's clock may be from where ticks put it before they start over.
const CLOCK_OFF_NS: i64 = 40_000_000;

/// The most one tick is moved to follow the pipeline's clock.
const FOLLOW_NS: i64 = 125_000;

/// One tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick {
    /// Running time of what is mixed in it.
    pub(super) pts: gst::ClockTime,
    /// It does not follow on the one before.
    pub(super) discont: bool,
}

/// The row of ticks.
pub(super) struct Ticks {
    due: Instant,
    /// Running time of the next tick; `None` while the pipeline does not play.
    pts: Option<gst::ClockTime>,
    skipped: u64,
}

impl Ticks {
    pub(super) fn new(first: Instant) -> Ticks {
        Ticks {
            due: first,
            pts: None,
            skipped: 0,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Ticks that came too late to happen.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The tick that is due, if one is and the pipeline plays. One that comes too late is skipped, never
    /// made up for.
    pub(super) fn tick(&mut self, now: Instant, running: Option<gst::ClockTime>) -> Option<Tick> {
        if now < self.due {
            return None;
        }
        let late = now.duration_since(self.due);
        let Some(running) = running else {
            self.pts = None;
            self.due = now + TICK;
            return None;
        };
        // Where the pipeline's clock was when the tick was due.
        let at_due = running.nseconds() as i64 - late.as_nanos() as i64;
        let off = self
            .pts
            .map_or(i64::MAX, |pts| at_due - pts.nseconds() as i64);
        let restarts = late >= TICK || off.saturating_abs() > CLOCK_OFF_NS;
        let (pts, discont) = match self.pts {
            Some(pts) if !restarts => {
                let follow = (off / 8).clamp(-FOLLOW_NS, FOLLOW_NS);
                self.due += Duration::from_nanos((TICK.as_nanos() as i64 - follow) as u64);
                (pts, false)
            }
            before => {
                if before.is_some() {
                    self.skipped += (late.as_millis() / TICK.as_millis()).max(1) as u64;
                }
                self.due = now + TICK;
                (running, true)
            }
        };
        self.pts = Some(pts + super::TICK);
        Some(Tick { pts, discont })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(ms)
    }

    #[test]
    fn one_after_the_other_by_both_clocks() {
        let begin = Instant::now();
        let mut ticks = Ticks::new(begin);
        for number in 0..100u64 {
            let due = ticks.due();
            assert_eq!(
                ticks.tick(due - Duration::from_micros(1), Some(ms(0))),
                None
            );
            let tick = ticks.tick(due, Some(ms(500 + number * 20))).unwrap();
            assert_eq!(tick.pts, ms(500 + number * 20));
            assert_eq!(tick.discont, number == 0);
        }
        assert_eq!(ticks.due() - begin, TICK * 100);
    }

    #[test]
    fn a_pipeline_clock_that_is_faster_is_followed() {
        let begin = Instant::now();
        let mut ticks = Ticks::new(begin);
        let mut last = ms(0);
        for _ in 0..5_000 {
            let due = ticks.due();
            let passed = (due - begin).as_nanos() as u64;
            // 500 parts in a million.
            let running = gst::ClockTime::from_nseconds(passed + passed / 2_000);
            last = ticks.tick(due, Some(running)).unwrap().pts;
            assert!(running.nseconds().abs_diff(last.nseconds()) < 1_000_000);
        }
        assert_eq!(ticks.skipped(), 0);
        assert_eq!(last, ms(20 * 4_999));
    }

    #[test]
    fn late_ticks_are_skipped() {
        let begin = Instant::now();
        let mut ticks = Ticks::new(begin);
        ticks.tick(begin, Some(ms(0)));
        let late = begin + TICK * 6;
        let tick = ticks.tick(late, Some(ms(120))).unwrap();
        assert_eq!((tick.pts, tick.discont), (ms(120), true));
        assert_eq!(ticks.skipped(), 5);
        assert_eq!(ticks.due(), late + TICK);
    }

    #[test]
    fn nothing_is_due_while_nothing_plays() {
        let begin = Instant::now();
        let mut ticks = Ticks::new(begin);
        assert_eq!(ticks.tick(begin, None), None);
        assert!(ticks.tick(begin + TICK, Some(ms(3))).unwrap().discont);
    }
}
