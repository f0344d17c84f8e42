// SPDX-License-Identifier: MPL-2.0
//! When a task of a media thread has something to make: every 20 ms, along with the pipeline's clock.

use std::time::{Duration, Instant};

/// The period.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// A tick this late is made up for: a hole of that length would be heard, while whoever takes the audio
/// to another network has a jitter buffer there that waits as long. One still later is skipped.
const MAKE_UP: Duration = Duration::from_millis(60);

/// Ticks that are made up for are no burst: so much lies between them, in which what was held up on
/// its way to us has time to come, too.
const HASTE: Duration = Duration::from_millis(5);

/// How far the pipeline's clock may be from where ticks put it before they start over.
const CLOCK_OFF_NS: i64 = 40_000_000;

/// The most one tick is moved to follow the pipeline's clock.
const FOLLOW_NS: i64 = 125_000;

/// The most one tick is moved to where it is of more use.
const MOVE: Duration = Duration::from_micros(250);

/// A row that is this little late for where its ticks are to be is moved back, not on.
const BACK: Duration = Duration::from_millis(2);

/// One tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    /// Running time of what is made in it.
    pub(crate) pts: gst::ClockTime,
    /// What is made in it does not follow on what was made before.
    pub(crate) discont: bool,
    /// The first since the pipeline plays.
    pub(crate) begins: bool,
    /// How many before it came too late to happen.
    pub(crate) skipped: u64,
}

/// The row of ticks.
pub(crate) struct Ticks {
    due: Instant,
    /// The next tick does not run before, though it be due.
    not_before: Instant,
    /// Running time of the next tick; `None` while the pipeline does not play.
    pts: Option<gst::ClockTime>,
    /// How far ticks were moved away from their running times.
    moved_ns: i64,
    skipped: u64,
}

impl Ticks {
    pub(crate) fn new(first: Instant) -> Ticks {
        Ticks {
            due: first,
            not_before: first,
            pts: None,
            moved_ns: 0,
            skipped: 0,
        }
    }

    /// Moves the ticks to come towards `at`, give or take whole periods, the first ones at once. They
    /// keep their running times, one after the other without a gap.
    pub(crate) fn go_towards(&mut self, at: Instant, first: bool) {
        let period = TICK.as_nanos() as i64;
        let ahead = at.saturating_duration_since(self.due).as_nanos() as i64
            - self.due.saturating_duration_since(at).as_nanos() as i64;
        let on = ahead.rem_euclid(period);
        let most = MOVE.as_nanos() as i64;
        let step = match on {
            on if first => on,
            on if period - on <= BACK.as_nanos() as i64 => (on - period).max(-most),
            on => on.min(most),
        };
        self.moved_ns += step;
        let length = Duration::from_nanos(step.unsigned_abs());
        self.due = match step < 0 {
            true => self.due.checked_sub(length).unwrap_or(self.due),
            false => self.due + length,
        };
    }

    /// When to come back for the next one.
    pub(crate) fn due(&self) -> Instant {
        self.due.max(self.not_before)
    }

    /// Ticks that came too late to happen.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The tick that is due, if one is and the pipeline plays: `running` is asked for its running time.
    /// Those that come too late are made up for one by one, or skipped where it is too many.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        running: impl FnOnce() -> Option<gst::ClockTime>,
    ) -> Option<Tick> {
        if now < self.due() {
            return None;
        }
        self.not_before = now + HASTE;
        let Some(running) = running() else {
            self.pts = None;
            self.due = now + TICK;
            return None;
        };
        let late = now.duration_since(self.due);
        // How far the pipeline's clock was from this tick's time when it was due.
        let off = |pts: gst::ClockTime| {
            running.nseconds() as i64
                - late.as_nanos() as i64
                - pts.nseconds() as i64
                - self.moved_ns
        };
        let follows = self
            .pts
            .filter(|pts| late <= MAKE_UP && off(*pts).abs() <= CLOCK_OFF_NS);
        let before = self.skipped;
        let pts = match follows {
            Some(pts) => {
                let follow = (off(pts) / 8).clamp(-FOLLOW_NS, FOLLOW_NS);
                self.due += Duration::from_nanos((TICK.as_nanos() as i64 - follow) as u64);
                pts
            }
            None => {
                if let Some(missed) = self.pts.and_then(|pts| running.checked_sub(pts)) {
                    self.skipped += missed.nseconds() / TICK.as_nanos() as u64;
                }
                self.due = now + TICK;
                self.moved_ns = 0;
                running
            }
        };
        let begins = self.pts.is_none();
        self.pts = Some(pts + gst::ClockTime::from_nseconds(TICK.as_nanos() as u64));
        Some(Tick {
            pts,
            discont: follows.is_none(),
            begins,
            skipped: self.skipped - before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(ms)
    }

    /// A row of ticks in a pipeline that began to play with the first.
    struct Row {
        ticks: Ticks,
        begin: Instant,
    }

    impl Row {
        fn new() -> Row {
            let begin = Instant::now();
            let mut row = Row {
                ticks: Ticks::new(begin),
                begin,
            };
            let first = row.at(0).unwrap();
            assert!(first.begins && first.discont);
            row
        }

        /// What is done so many milliseconds after the beginning.
        fn at(&mut self, after: u64) -> Option<Tick> {
            let now = self.begin + Duration::from_millis(after);
            self.ticks.tick(now, || Some(ms(after)))
        }

        fn due(&self) -> u128 {
            (self.ticks.due() - self.begin).as_millis()
        }
    }

    #[test]
    fn one_after_the_other_by_both_clocks() {
        let begin = Instant::now();
        let mut ticks = Ticks::new(begin);
        for number in 0..100u64 {
            let due = ticks.due();
            let early = due - Duration::from_micros(1);
            assert_eq!(ticks.tick(early, || Some(ms(0))), None);
            let tick = ticks.tick(due, || Some(ms(500 + number * 20))).unwrap();
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
            last = ticks.tick(due, || Some(running)).unwrap().pts;
            assert!(running.nseconds().abs_diff(last.nseconds()) < 1_000_000);
        }
        assert_eq!(ticks.skipped(), 0);
        assert_eq!(last, ms(20 * 4_999));
    }

    #[test]
    fn late_ticks_are_made_up_for_one_by_one() {
        let mut row = Row::new();
        // Those of 20, 40 and 60 did not happen yet.
        for (now, pts) in [(75, 20), (80, 40), (85, 60), (90, 80)] {
            let tick = row.at(now).unwrap();
            assert_eq!((tick.pts, tick.discont), (ms(pts), false));
            assert_eq!(row.at(now + 4), None);
        }
        assert_eq!((row.due(), row.ticks.skipped()), (100, 0));
    }

    #[test]
    fn what_is_far_too_late_is_skipped() {
        let mut row = Row::new();
        let tick = row.at(120).unwrap();
        assert_eq!(
            (tick.pts, tick.discont, tick.begins, tick.skipped),
            (ms(120), true, false, 5)
        );
        assert_eq!((row.due(), row.ticks.skipped()), (140, 5));
        assert_eq!(row.at(140).unwrap().skipped, 0);
    }

    #[test]
    fn a_pipeline_clock_that_jumps_starts_a_new_row() {
        let mut row = Row::new();
        let now = row.begin + TICK;
        let tick = row.ticks.tick(now, || Some(ms(1_020))).unwrap();
        assert_eq!(
            (tick.pts, tick.discont, tick.begins),
            (ms(1_020), true, false)
        );
        let back = row.ticks.tick(now + TICK, || Some(ms(40))).unwrap();
        assert_eq!((back.pts, back.discont), (ms(40), true));
    }

    #[test]
    fn a_row_begins_where_its_ticks_are_of_use() {
        let mut row = Row::new();
        row.ticks
            .go_towards(row.begin + Duration::from_millis(1_007), true);
        assert_eq!(row.due(), 27);
        let tick = row.at(27).unwrap();
        assert_eq!((tick.pts, tick.discont), (ms(20), false));
        assert_eq!(row.due(), 47);
    }

    #[test]
    fn a_row_is_moved_to_where_its_ticks_are_of_use() {
        for (from, wanted) in [(0, 13), (0, 19), (13, 13), (5, 3)] {
            let mut row = Row::new();
            row.ticks.due += Duration::from_millis(from);
            row.ticks.moved_ns += from as i64 * 1_000_000;
            let at = row.begin + Duration::from_millis(wanted);
            let mut last = ms(0);
            for _ in 0..100 {
                let due = row.ticks.due();
                let running = gst::ClockTime::from_nseconds((due - row.begin).as_nanos() as u64);
                let tick = row.ticks.tick(due, || Some(running)).unwrap();
                assert_eq!((tick.pts, tick.discont), (last + ms(20), false));
                last = tick.pts;
                row.ticks.go_towards(at, false);
                let step = (row.ticks.due() - due).abs_diff(TICK);
                assert!(step <= MOVE, "{step:?}");
            }
            let place = (row.ticks.due() - row.begin).as_nanos() % TICK.as_nanos();
            assert_eq!(place, u128::from(wanted) * 1_000_000, "{from} {wanted}");
        }
    }

    #[test]
    fn nothing_is_due_while_nothing_plays() {
        let mut row = Row::new();
        let now = row.begin + TICK;
        assert_eq!(row.ticks.tick(now, || None), None);
        assert_eq!(row.due(), 40);
        // However long that lasts, nothing was missed.
        let tick = row.at(500).unwrap();
        assert!(tick.begins && tick.discont);
        assert_eq!(row.ticks.skipped(), 0);
    }
}
