// SPDX-License-Identifier: MPL-2.0
//! Which servers failed, and for how long they are not tried first (RFC 3263 §4.3, RFC 3261 §21.5.4).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::transport::{Hop, Transport};

/// After the first failure; each further one in a row doubles it.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(600);

/// Whoever asks for more gets no more: a slip of theirs must not silence us for a day.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// How many are remembered.
const REMEMBERED: usize = 1024;

/// Servers that failed. What proves who they are does not matter here.
#[derive(Debug, Default)]
pub struct Down {
    known: HashMap<(Transport, SocketAddr), State>,
    changed: bool,
}

#[derive(Debug, Clone)]
struct State {
    until: Instant,
    failures: u32,
    /// It asked not to be called before.
    asked: bool,
    why: String,
}

/// A server that is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallen {
    pub hop: Hop,
    /// Until then others are tried first.
    pub until: Instant,
    /// One sentence.
    pub why: String,
}

fn key(hop: Hop) -> (Transport, SocketAddr) {
    (hop.transport, hop.addr)
}

impl Down {
    /// It did not answer, or could not be reached, or serves nobody at the moment.
    pub fn failed(&mut self, now: Instant, hop: Hop, why: &str) {
        self.failed_for(now, hop, Duration::ZERO, why);
    }

    /// The same, and it will be asked again after so long: until then nothing else may raise it.
    pub fn failed_for(&mut self, now: Instant, hop: Hop, least: Duration, why: &str) {
        let failures = self.known.get(&key(hop)).map_or(0, |state| state.failures);
        let wait = FIRST.saturating_mul(1 << failures.min(8)).min(LONGEST);
        let wait = wait.max(least);
        self.note(now, hop, wait, false, why);
    }

    /// It said 503 and when to come again.
    pub fn rests(&mut self, now: Instant, hop: Hop, wait: Duration, why: &str) {
        self.note(now, hop, wait.min(LONGEST_REST), true, why);
    }

    fn note(&mut self, now: Instant, hop: Hop, wait: Duration, asked: bool, why: &str) {
        // Those whose time is over still know how often they failed, as long as there is room.
        if self.known.len() >= REMEMBERED {
            self.known.retain(|_, state| state.until > now);
        }
        if self.known.len() >= REMEMBERED && !self.known.contains_key(&key(hop)) {
            return;
        }
        let before = self.known.get(&key(hop)).map_or(0, |state| state.failures);
        let state = State {
            until: now + wait,
            // Who says when to come again is there.
            failures: if asked { 0 } else { before + 1 },
            asked,
            why: why.to_owned(),
        };
        self.known.insert(key(hop), state);
        self.changed = true;
    }

    /// It answered something. Who asked for a rest still has it.
    pub fn answered(&mut self, hop: Hop) {
        let state = self.known.get(&key(hop));
        if state.is_some_and(|state| !state.asked) {
            self.known.remove(&key(hop));
            self.changed = true;
        }
    }

    /// Whether others are to be tried first.
    pub fn is_down(&self, now: Instant, hop: Hop) -> bool {
        let state = self.known.get(&key(hop));
        state.is_some_and(|state| state.until > now)
    }

    /// How long it asked to be left alone for.
    pub fn rest_left(&self, now: Instant, hop: Hop) -> Option<Duration> {
        let state = self.known.get(&key(hop)).filter(|state| state.asked)?;
        let left = state.until.checked_duration_since(now)?;
        Some(left).filter(|left| !left.is_zero())
    }

    /// All that are down now.
    pub fn fallen(&self, now: Instant) -> Vec<Fallen> {
        let down = self.known.iter().filter(|(_, state)| state.until > now);
        let mut fallen: Vec<Fallen> = down
            .map(|((transport, addr), state)| Fallen {
                hop: Hop::new(*transport, *addr),
                until: state.until,
                why: state.why.clone(),
            })
            .collect();
        fallen.sort_by_key(|fallen| (fallen.hop.transport, fallen.hop.addr));
        fallen
    }

    /// Whether anybody fell or rose since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(port: u16) -> Hop {
        Hop::from(SocketAddr::from(([192, 0, 2, 1], port)))
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_fails_again_is_left_alone_for_longer_and_who_answers_is_forgiven() {
        let (mut down, start) = (Down::default(), Instant::now());
        let mut now = start;
        for seconds in [60, 120, 240, 480, 600, 600] {
            down.failed(now, hop(1), "x");
            assert!(down.is_down(now + s(seconds - 1), hop(1)));
            now += s(seconds);
            assert!(!down.is_down(now, hop(1)));
        }
        assert!(!down.is_down(start, hop(2)));
        assert_eq!(down.rest_left(start, hop(1)), None);
        down.answered(hop(1));
        down.failed(now, hop(1), "x");
        assert!(!down.is_down(now + s(60), hop(1)));
    }

    #[test]
    fn who_says_when_is_called_then_but_not_after_a_day() {
        let (mut down, now) = (Down::default(), Instant::now());
        down.rests(now, hop(1), s(7), "x");
        assert_eq!(down.rest_left(now + s(3), hop(1)), Some(s(4)));
        assert_eq!(down.rest_left(now + s(7), hop(1)), None);
        down.rests(now, hop(1), s(86_400), "x");
        assert_eq!(down.rest_left(now, hop(1)), Some(s(300)));
        assert_eq!(down.fallen(now).len(), 1);
        assert!(down.fallen(now + s(300)).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut down, now) = (Down::default(), Instant::now());
        for port in 0..2_000 {
            down.failed(now, hop(port), "x");
        }
        assert_eq!(down.fallen(now).len(), REMEMBERED);
        down.failed(now + s(61), hop(2_000), "x");
        assert!(down.is_down(now + s(61), hop(2_000)));
    }
}
