// SPDX-License-Identifier: MPL-2.0
//! How much a media thread works, and how long it may rest for that.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::stats::Counters;

/// Above this share of a core (in thousandths) the loop is throttled in full; below, in proportion:
/// an idle machine has no need to trade delay for fewer wake-ups.
const FULL_THROTTLE_PERMILLE: u32 = 100;

/// To rest for less than this costs more than it saves.
const SHORTEST: Duration = Duration::from_micros(100);

/// The load is that of the last second.
const WINDOW: Duration = Duration::from_secs(1);

/// How much of real time the thread works: measured by the system's clock whatever the context's
/// own, for it is the machine's burden.
pub(super) struct Load {
    window_started: Instant,
    round_started: Instant,
    worked: Duration,
}

impl Load {
    pub(super) fn new(now: Instant) -> Load {
        Load {
            window_started: now,
            round_started: now,
            worked: Duration::ZERO,
        }
    }

    /// It has worked until now.
    pub(super) fn rests(&mut self, now: Instant) {
        self.worked += now.saturating_duration_since(self.round_started);
    }

    /// It has rested until now.
    pub(super) fn works(&mut self, now: Instant, counters: &Counters) {
        self.round_started = now;
        let window = now.saturating_duration_since(self.window_started);
        if window >= WINDOW {
            let permille = self.worked.as_micros() * 1000 / window.as_micros();
            counters
                .load_permille
                .store(permille as u32, Ordering::Relaxed);
            self.window_started = now;
            self.worked = Duration::ZERO;
        }
    }

    /// How long it may rest now, if that is worth it: a round and the rest after it take `wait` together where
    /// the thread is busy, and no timer, the next one in `timer`, waits for it.
    pub(super) fn pause(
        &self,
        now: Instant,
        wait: Duration,
        permille: u32,
        timer: Option<Duration>,
    ) -> Option<Duration> {
        let wait = wait * permille.min(FULL_THROTTLE_PERMILLE) / FULL_THROTTLE_PERMILLE;
        let spent = now.saturating_duration_since(self.round_started);
        let rest = wait.saturating_sub(spent);
        let pause = timer.map_or(rest, |timer| rest.min(timer));
        (pause > SHORTEST).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_WAIT;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A loop in virtual time.
    struct Loop {
        now: Instant,
        load: Load,
        counters: Counters,
        rounds: u32,
    }

    impl Loop {
        fn new() -> Loop {
            let now = Instant::now();
            Loop {
                now,
                load: Load::new(now),
                counters: Counters::default(),
                rounds: 0,
            }
        }

        fn permille(&self) -> u32 {
            self.counters.load_permille.load(Ordering::Relaxed)
        }

        fn rest(&mut self, time: Duration) {
            self.load.rests(self.now);
            self.now += time;
            self.load.works(self.now, &self.counters);
        }

        /// Works for so long and is throttled as it may be; there is always more to read.
        fn round(&mut self, work: Duration, timer: Option<Duration>) -> Duration {
            self.now += work;
            self.rounds += 1;
            let pause = self.load.pause(self.now, MAX_WAIT, self.permille(), timer);
            self.rest(pause.unwrap_or_default());
            pause.unwrap_or_default()
        }

        fn rounds_of(&mut self, time: Duration, work: Duration) -> u32 {
            let (until, before) = (self.now + time, self.rounds);
            while self.now < until {
                self.round(work, None);
            }
            self.rounds - before
        }
    }

    #[test]
    fn the_load_is_the_share_of_the_last_second() {
        let mut one = Loop::new();
        for _ in 0..100 {
            one.now += 3 * MS;
            one.rest(7 * MS);
        }
        assert_eq!(one.permille(), 300);
        // Only of the last one.
        for _ in 0..200 {
            one.now += MS / 10;
            one.rest(MS * 99 / 10);
        }
        assert_eq!(one.permille(), 10);
    }

    #[test]
    fn one_that_has_nothing_to_do_all_second_has_no_load() {
        let mut one = Loop::new();
        one.now += 20 * MS;
        one.rest(WINDOW);
        assert_eq!(one.permille(), 19);
        one.rest(WINDOW);
        assert_eq!(one.permille(), 0);
    }

    #[test]
    fn an_idle_loop_rests_for_nobody() {
        let mut one = Loop::new();
        assert_eq!(one.round(MS, None), Duration::ZERO);
    }

    #[test]
    fn a_busy_loop_goes_round_once_in_its_wait_and_no_less_often() {
        let mut one = Loop::new();
        let work = MS / 2;
        // Until its load is known.
        one.rounds_of(WINDOW, work);
        assert!(one.permille() > 900, "{}", one.permille());
        assert_eq!(one.round(work, None), MAX_WAIT - work);
        assert_eq!(one.rounds_of(WINDOW, work), 200);
        // It works a tenth of the time now, which is throttled in full still.
        assert_eq!(one.permille(), 100);
        assert_eq!(one.rounds_of(WINDOW, work), 200);
    }

    #[test]
    fn what_works_longer_than_its_wait_does_not_rest() {
        let mut one = Loop::new();
        one.rounds_of(WINDOW, 6 * MS);
        assert_eq!(one.round(6 * MS, None), Duration::ZERO);
    }

    #[test]
    fn no_timer_waits_for_it() {
        let mut one = Loop::new();
        one.rounds_of(WINDOW, MS);
        assert_eq!(one.round(MS, Some(2 * MS)), 2 * MS);
        assert_eq!(one.round(MS, Some(20 * MS)), MAX_WAIT - MS);
        // Due at once, or so soon that sleeping would miss it.
        assert_eq!(one.round(MS, Some(Duration::ZERO)), Duration::ZERO);
        assert_eq!(one.round(MS, Some(MS / 20)), Duration::ZERO);
    }

    #[test]
    fn half_the_load_is_half_the_rest() {
        let one = Loop::new();
        let pause = |permille| one.load.pause(one.now, MAX_WAIT, permille, None);
        assert_eq!(pause(50), Some(MAX_WAIT / 2));
        assert_eq!(pause(100), Some(MAX_WAIT));
        assert_eq!(pause(900), Some(MAX_WAIT));
        assert_eq!(pause(1), None);
    }
}
