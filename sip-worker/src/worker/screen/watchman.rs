// SPDX-License-Identifier: MPL-2.0
//! Keeps an eye on those who fail, and tells of it: a line for each ban, figures for monitors.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sip_ua::guard::{Admission, Banned, Config, Failure, Guard, LogLines, Source};

use crate::exposition::Exposition;

/// A guard with a voice.
pub struct Watchman(Mutex<State>);

struct State {
    guard: Guard,
    bans_told: LogLines,
    failures_told: LogLines,
}

impl Watchman {
    pub(super) fn new(config: Config) -> Watchman {
        Watchman(Mutex::new(State {
            guard: Guard::new(config),
            bans_told: LogLines::default(),
            failures_told: LogLines::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request from there is looked at.
    pub(super) fn admits(&self, now: Instant, from: IpAddr) -> bool {
        self.state().guard.admit(now, from) == Admission::Open
    }

    /// A request from there failed. It counts only where it is `guarded`.
    pub(super) fn failed(
        &self,
        now: Instant,
        from: IpAddr,
        failure: Failure,
        why: &str,
        guarded: bool,
    ) {
        let mut state = self.state();
        if failure == Failure::Credentials
            && let Some(left_out) = state.failures_told.admit(now)
        {
            tracing::info!(source = %from, why, left_out, "credentials that do not count");
        }
        let ban = match guarded {
            true => state.guard.failed(now, from, failure),
            false => None,
        };
        let Some(ban) = ban else { return };
        if let Some(left_out) = state.bans_told.admit(now) {
            tracing::warn!(
                source = %ban.source,
                seconds = ban.lasts.as_secs(),
                nth = ban.nth,
                why,
                left_out,
                "banned, it fails again and again: nothing from there is answered"
            );
        }
    }

    pub(super) fn succeeded(&self, now: Instant, from: IpAddr) {
        self.state().guard.succeeded(now, from);
    }

    /// Who is banned now.
    pub fn banned(&self, now: Instant) -> Vec<Banned> {
        self.state().guard.list(now)
    }

    /// Ends a ban and forgets what led to it. Whether there was one.
    pub fn lift(&self, now: Instant, source: Source) -> bool {
        let lifted = self.state().guard.lift(now, source);
        if lifted {
            tracing::info!(%source, "its ban is lifted");
        }
        lifted
    }

    /// Sources and bans that memory is used for.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.state().guard.remembered()
    }

    /// Adds its figures to the metrics.
    pub fn expose(&self, now: Instant, out: &mut Exposition) {
        let (stats, banned) = {
            let state = self.state();
            (state.guard.stats(), state.guard.banned(now))
        };
        let name = "sipbridge_guard_banned";
        out.metric(name, "gauge", "Addresses and networks that are banned now.");
        out.sample(name, &[], banned);
        let name = "sipbridge_guard_bans_total";
        out.metric(name, "counter", "Bans that began.");
        out.sample(name, &[], stats.bans);
        let name = "sipbridge_guard_dropped_total";
        out.metric(
            name,
            "counter",
            "Requests that were not looked at, because their source is banned or asks too fast.",
        );
        out.sample(name, &[("why", "banned")], stats.banned);
        out.sample(name, &[("why", "rate")], stats.too_fast);
    }
}
