// SPDX-License-Identifier: MPL-2.0
//! Scanners: how fast a source may ask, and for how long one that fails again and again is not heard.
//! Sans-IO, like the screen that asks it.
//!
//! A source is an IPv4 address or an IPv6 network of 64 bits, for whoever has one address of it has
//! all. Memory is bounded whatever comes from however many: tallies are kept in two generations, of
//! which the older goes when the younger is full, and of bans the one that would be forgotten first
//! makes room. Under such a flood slow scanners may go unnoticed; nobody is shut out by it.
//!
//! Over UDP anybody can write anybody's address. So a source that gave the right credentials within the
//! last hour is left alone, for what fails in its name may be forged; and whoever else must not be shut
//! out (a trunk's address, a registered phone) must not be asked about here.

mod bans;
mod proven;
mod source;
mod tallies;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bans::Bans;
use proven::Proven;
pub use source::{NoSource, Source};
use tallies::{Pace, Tallies};

/// What is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Requests a second of one source; twice as many may come at once. 0: no limit.
    pub rate: u32,
    /// A source that fails so often within `window` is banned. 0: never.
    pub failures: u32,
    pub window: Duration,
    /// The first ban lasts so long; each further one twice as long as the one before, up to `ban_max`.
    /// Who kept quiet for another `ban_max` begins anew.
    pub ban: Duration,
    pub ban_max: Duration,
    /// Leave sources alone that gave the right credentials within the last hour.
    pub spare_proven: bool,
    /// Sources that are counted at once, about.
    pub sources: usize,
    /// Bans that are remembered at once.
    pub bans: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            rate: 20,
            failures: 20,
            window: Duration::from_secs(60),
            ban: Duration::from_secs(60),
            ban_max: Duration::from_secs(24 * 3600),
            spare_proven: true,
            sources: 32_768,
            bans: 16_384,
        }
    }
}

/// What a source did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It was asked for a password, as every phone is that comes for the first time. Ten of these
    /// count as one failure, and whoever answers takes one back.
    Unanswered,
    /// It is nobody we know.
    Stranger,
    /// It gave credentials that are wrong.
    Credentials,
}

/// Whether a request is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Open,
    /// Its source is banned.
    Banned,
    /// Its source asks too much at once.
    TooFast,
}

/// A ban that has just begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    pub source: Source,
    pub lasts: Duration,
    /// Which one it is of this source, from 1.
    pub nth: u32,
}

/// A ban that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Banned {
    pub source: Source,
    /// How long it still lasts.
    pub left: Duration,
    /// Which one it is of this source, from 1.
    pub nth: u32,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bans that began.
    pub bans: u64,
    /// Requests that were not looked at because of a ban.
    pub banned: u64,
    /// Requests that were not looked at because they came too fast.
    pub too_fast: u64,
}

/// Counts what sources do, and bans them.
#[derive(Debug)]
pub struct Guard {
    config: Config,
    tallies: Tallies,
    bans: Bans,
    proven: Proven,
    stats: Stats,
}

impl Guard {
    pub fn new(config: Config) -> Guard {
        Guard {
            config,
            tallies: Tallies::new(config.sources / 2),
            bans: Bans::new(config.bans),
            proven: Proven::default(),
            stats: Stats::default(),
        }
    }

    /// A request came. It counts against the pace of its source.
    pub fn admit(&mut self, now: Instant, from: IpAddr) -> Admission {
        let source = Source::of(from);
        if self.bans.holds(now, source) {
            self.stats.banned += 1;
            return Admission::Banned;
        }
        if self.config.rate == 0 || self.proven.holds(now, source) {
            return Admission::Open;
        }
        let each = Duration::from_secs(1) / self.config.rate;
        let tally = self.tallies.of(now, source);
        match tally.pace.spend(now, each, Duration::from_secs(2)) {
            true => Admission::Open,
            false => {
                self.stats.too_fast += 1;
                Admission::TooFast
            }
        }
    }

    /// A request failed. The ban that this leads to, if it does.
    pub fn failed(&mut self, now: Instant, from: IpAddr, failure: Failure) -> Option<Ban> {
        let source = Source::of(from);
        let spared = self.proven.holds(now, source) || self.bans.holds(now, source);
        if self.config.failures == 0 || spared {
            return None;
        }
        let (cost, window) = (self.cost(failure), self.config.window);
        let asking = self.cost(Failure::Unanswered);
        let tally = self.tallies.of(now, source);
        match failure {
            Failure::Unanswered => tally.asked(),
            Failure::Credentials => tally.answered(now, asking),
            Failure::Stranger => {}
        }
        // The failure that fills the window is the last one.
        if tally.failures.spend(now, cost, window.saturating_sub(cost)) {
            return None;
        }
        self.tallies.forget(source);
        let ban = self
            .bans
            .begin(now, source, self.config.ban, self.config.ban_max);
        self.stats.bans += 1;
        Some(ban)
    }

    /// A request had the right credentials, for which its source had been asked.
    pub fn succeeded(&mut self, now: Instant, from: IpAddr) {
        let source = Source::of(from);
        if self.config.spare_proven {
            self.proven.remember(now, source);
        }
        let cost = self.cost(Failure::Unanswered);
        if let Some(tally) = self.tallies.known(source) {
            tally.answered(now, cost);
        }
    }

    /// What a failure takes of the window.
    fn cost(&self, failure: Failure) -> Duration {
        let whole = self.config.window / self.config.failures.max(1);
        match failure {
            Failure::Unanswered => whole / 10,
            Failure::Stranger | Failure::Credentials => whole,
        }
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Sources that are banned now.
    pub fn banned(&self, now: Instant) -> usize {
        self.bans.holding(now)
    }

    /// Who is banned now, in the order of addresses.
    pub fn list(&self, now: Instant) -> Vec<Banned> {
        self.bans.list(now)
    }

    /// Ends a ban, and forgets what led to it and to those before. Whether there was one.
    pub fn lift(&mut self, now: Instant, source: Source) -> bool {
        self.tallies.forget(source);
        self.bans.lift(now, source)
    }

    /// Sources and bans that memory is used for.
    pub fn remembered(&self) -> usize {
        self.tallies.len() + self.bans.len() + self.proven.len()
    }
}

/// How many log lines strangers may cause: ten a second, fifty at once.
#[derive(Debug, Default)]
pub struct LogLines {
    pace: Option<Pace>,
    left_out: u64,
}

impl LogLines {
    /// Whether a line may be written, and how many were left out since the last one.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let pace = self.pace.get_or_insert(Pace::new(now));
        if pace.spend(now, Duration::from_millis(100), Duration::from_secs(5)) {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests;
