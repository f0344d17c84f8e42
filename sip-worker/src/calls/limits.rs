// SPDX-License-Identifier: MPL-2.0
//! How many calls a trunk or a user may hold and how fast they may come, either way.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Party;

/// The bounds of one trunk; `None` is no bound.
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

/// What each trunk and user carries now.
#[derive(Clone, Default)]
pub struct Limits {
    parties: Arc<Mutex<HashMap<String, Use>>>,
}

/// A call's place with its trunk or user, given back when dropped.
pub struct Place {
    limits: Limits,
    party: String,
}

impl Limits {
    /// Takes a place with a trunk or user, by its label, for a call that begins now.
    pub fn enter(&self, party: &str, bounds: Bounds, now: Instant) -> Result<Place, LimitError> {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let used = parties.entry(party.to_owned()).or_default();
        while used
            .begun
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) >= Duration::from_secs(1))
        {
            used.begun.pop_front();
        }
        if let Some(max) = bounds.max_calls.filter(|max| used.running >= *max) {
            return Err(LimitError::Calls {
                party: party.to_owned(),
                max,
            });
        }
        if let Some(max) = bounds.max_cps {
            if used.begun.len() >= max as usize {
                return Err(LimitError::Rate {
                    party: party.to_owned(),
                    max,
                });
            }
            used.begun.push_back(now);
        }
        used.running += 1;
        Ok(Place {
            limits: self.clone(),
            party: party.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut parties = self
            .limits
            .parties
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = parties.get_mut(&self.party) {
            used.running = used.running.saturating_sub(1);
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
}
