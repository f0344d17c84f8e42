// SPDX-License-Identifier: MPL-2.0
//! Time as a parameter: a context never asks the system what time it is.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Where a context takes its time from.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Instant;

    /// How long, in real time, a context may sleep until `deadline`; `None`: until it is woken.
    fn real_time_until(&self, deadline: Instant) -> Option<Duration>;

    /// Asks the clock to wake this sleeper whenever time moves by other means than passing.
    fn watch(&self, _sleeper: Weak<mio::Waker>) {}

    /// Whether time passes by itself. A context on a clock that stands still is never throttled.
    fn passes(&self) -> bool {
        true
    }
}

/// The system's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn real_time_until(&self, deadline: Instant) -> Option<Duration> {
        Some(deadline.saturating_duration_since(Instant::now()))
    }
}

/// A clock that stands still until it is told to advance, for tests.
#[derive(Clone)]
pub struct ManualClock {
    state: Arc<Mutex<Manual>>,
}

struct Manual {
    now: Instant,
    sleepers: Vec<Weak<mio::Waker>>,
}

impl ManualClock {
    /// A clock that stands at the present moment.
    pub fn new() -> ManualClock {
        ManualClock {
            state: Arc::new(Mutex::new(Manual {
                now: Instant::now(),
                sleepers: Vec::new(),
            })),
        }
    }

    /// Moves the time forward and wakes every context that runs on this clock.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now += by;
        state.sleepers.retain(|sleeper| {
            // A context that ended leaves a dead entry; a waker that fails has no one behind it.
            sleeper.upgrade().is_some_and(|waker| waker.wake().is_ok())
        });
    }
}

impl Default for ManualClock {
    fn default() -> ManualClock {
        ManualClock::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .now
    }

    fn real_time_until(&self, deadline: Instant) -> Option<Duration> {
        (deadline <= self.now()).then_some(Duration::ZERO)
    }

    fn watch(&self, sleeper: Weak<mio::Waker>) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sleepers
            .push(sleeper);
    }

    fn passes(&self) -> bool {
        false
    }
}
