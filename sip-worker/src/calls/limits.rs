// SPDX-License-Identifier: MPL-2.0
//! How many calls a trunk or a user may hold and how fast they may come, either way, and how many the
//! worker as a whole.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{self, Party};

/// The worker as a whole among those who hold calls.
const WHOLE: &str = "this worker";

/// The bounds of one trunk, or of the worker; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Calls at one time.
    pub max_calls: Option<u32>,
    /// New calls in any one second.
    pub max_cps: Option<u32>,
}

impl Bounds {
    /// Those of a configured trunk or user.
    pub fn of(party: &Party) -> Bounds {
        Bounds {
            max_calls: party.max_calls(),
            max_cps: party.max_cps(),
        }
    }
}

impl From<&config::Limits> for Bounds {
    fn from(limits: &config::Limits) -> Bounds {
        Bounds {
            max_calls: limits.max_calls,
            max_cps: limits.max_cps,
        }
    }
}

/// Why a call may not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// `max_calls` is reached.
    #[error("{party} already carries its max_calls = {max} calls")]
    Calls {
        /// `trunk 'carrier'`, `user 'alice'`.
        party: String,
        /// Its bound.
        max: u32,
    },
    /// `max_cps` is reached.
    #[error("{party} already began its max_cps = {max} calls in this second")]
    Rate {
        /// `trunk 'carrier'`, `user 'alice'`.
        party: String,
        /// Its bound.
        max: u32,
    },
}

#[derive(Default)]
struct Use {
    running: u32,
    /// When the calls of the last second began.
    begun: VecDeque<Instant>,
}

impl Use {
    /// Whether one more may begin.
    fn admits(&mut self, party: &str, bounds: Bounds, now: Instant) -> Result<(), LimitError> {
        let second = Duration::from_secs(1);
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= second;
        while self.begun.front().is_some_and(is_over) {
            self.begun.pop_front();
        }
        let party = || party.to_owned();
        if let Some(max) = bounds.max_calls.filter(|max| self.running >= *max) {
            let party = party();
            return Err(LimitError::Calls { party, max });
        }
        let full = |max: &u32| self.begun.len() >= *max as usize;
        match bounds.max_cps.filter(full) {
            Some(max) => Err(LimitError::Rate {
                party: party(),
                max,
            }),
            None => Ok(()),
        }
    }

    fn begin(&mut self, bounds: Bounds, now: Instant) {
        self.running += 1;
        // Nothing is counted that nothing is held against.
        self.begun.extend(bounds.max_cps.map(|_| now));
    }
}

/// What each trunk and user carries now, and what the worker does.
#[derive(Clone, Default)]
pub struct Limits {
    whole: Bounds,
    parties: Arc<Mutex<HashMap<String, Use>>>,
}

/// A call's place with its trunk or user, and with the worker, given back when dropped.
pub struct Place {
    limits: Limits,
    party: String,
}

impl Limits {
    /// `whole`: the bounds of all calls together.
    pub fn new(whole: Bounds) -> Limits {
        Limits {
            whole,
            parties: Arc::default(),
        }
    }

    /// Takes a place with a trunk or user, by its label, for a call that begins now.
    pub fn enter(&self, party: &str, bounds: Bounds, now: Instant) -> Result<Place, LimitError> {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let both = [(WHOLE, self.whole), (party, bounds)];
        for (name, bounds) in both {
            let used = parties.entry(name.to_owned()).or_default();
            used.admits(name, bounds, now)?;
        }
        for (name, bounds) in both {
            if let Some(used) = parties.get_mut(name) {
                used.begin(bounds, now);
            }
        }
        Ok(Place {
            limits: self.clone(),
            party: party.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let parties = &self.limits.parties;
        let mut parties = parties.lock().unwrap_or_else(PoisonError::into_inner);
        for name in [WHOLE, &self.party] {
            if let Some(used) = parties.get_mut(name) {
                used.running = used.running.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_its_call_is_over() {
        let limits = Limits::default();
        let bounds = Bounds {
            max_calls: Some(1),
            max_cps: None,
        };
        let now = Instant::now();
        let place = limits.enter("lab", bounds, now).ok();
        assert!(place.is_some());
        assert!(matches!(
            limits.enter("lab", bounds, now),
            Err(LimitError::Calls { max: 1, .. })
        ));
        assert!(limits.enter("other", bounds, now).is_ok());
        drop(place);
        assert!(limits.enter("lab", bounds, now).is_ok());
    }

    #[test]
    fn a_second_has_room_for_so_many_calls() {
        let limits = Limits::default();
        let bounds = Bounds {
            max_calls: None,
            max_cps: Some(2),
        };
        let now = Instant::now();
        assert!(limits.enter("lab", bounds, now).is_ok());
        assert!(
            limits
                .enter("lab", bounds, now + Duration::from_millis(500))
                .is_ok()
        );
        assert!(
            limits
                .enter("lab", bounds, now + Duration::from_millis(900))
                .is_err()
        );
        assert!(
            limits
                .enter("lab", bounds, now + Duration::from_millis(1000))
                .is_ok()
        );
        assert!(
            limits
                .enter("lab", bounds, now + Duration::from_millis(1400))
                .is_err()
        );
    }

    #[test]
    fn the_worker_is_full_whoever_calls_and_a_refused_call_takes_no_place() {
        let now = Instant::now();
        let limits = Limits::new(Bounds {
            max_calls: Some(2),
            max_cps: Some(3),
        });
        let one = Bounds {
            max_calls: Some(1),
            max_cps: None,
        };
        let first = limits.enter("lab", one, now).ok();
        // What the trunk refuses is no call of the worker's.
        for _ in 0..5 {
            let refused = limits.enter("lab", one, now).err();
            assert!(refused.is_some_and(|error| error.to_string().contains("lab")));
        }
        let _second = limits.enter("other", Bounds::default(), now).ok();
        let full = limits.enter("third", Bounds::default(), now).err();
        assert_eq!(
            full.map(|error| error.to_string()).as_deref(),
            Some("this worker already carries its max_calls = 2 calls")
        );
        drop(first);
        let _third = limits.enter("lab", one, now).ok();
        drop(limits.enter("other", Bounds::default(), now));
        drop(_third);
        assert!(matches!(
            limits.enter("other", Bounds::default(), now),
            Err(LimitError::Rate { max: 3, .. })
        ));
        let later = now + Duration::from_secs(1);
        assert!(limits.enter("other", Bounds::default(), later).is_ok());
    }
}
