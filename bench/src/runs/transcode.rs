// SPDX-License-Identifier: MPL-2.0
//! PCMU to Opus and back, both sides talking all the time: calls per core and added delay.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Bench;
use super::floor::{Floor, floor};
use super::load::{Figures, Talk, measure};
use crate::load::Schedule;
use crate::peers::{Ours, Rtpengine, Stock, Transcoder};

/// The first look: what a call costs about.
const PILOT_CALLS: usize = 8;
const PILOT: Schedule = Schedule {
    warm_up: Duration::from_secs(2),
    measured: Duration::from_secs(3),
};

/// The share of a core that is tried first.
const FULL: f64 = 0.92;

/// Loads that are tried.
const TRIES: usize = 7;

/// Loads that differ by less are the same.
const NEAR_PERCENT: usize = 6;

/// Calls that make up the sweep and the listening.
const LEAST_CALLS: usize = 6;

/// Codecs that take turns where no call of ours was measured.
const FLOOR_CALLS: usize = 100;

/// How one line of the table is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terms {
    /// Each one's own settings.
    Own,
    /// Everybody's as near to rtpengine's as can be.
    EqualToRtpengine,
    /// Everybody's as near to ours as can be.
    EqualToOurs,
    /// Each one's own settings, in a conversation.
    Conversation,
}

impl Terms {
    pub fn said(self) -> &'static str {
        match self {
            Terms::Own => "each one's own settings",
            Terms::EqualToRtpengine => "rtpengine's settings for all (mono, 48 kHz, complexity 10)",
            Terms::EqualToOurs => "our settings for all that can be set so (8 kHz, complexity 1)",
            Terms::Conversation => {
                "each one's own settings, in a conversation: each talks 45 % of the time, Opus leaves pauses out (DTX)"
            }
        }
    }

    fn talk(self) -> Talk {
        match self {
            Terms::Conversation => Talk::InTurn,
            Terms::Own | Terms::EqualToRtpengine | Terms::EqualToOurs => Talk::Always,
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub terms: Terms,
    #[serde(flatten)]
    pub figures: Figures,
}

/// The whole comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Transcoding {
    pub lines: Vec<Line>,
    pub floor: Floor,
    /// Our calls per core to rtpengine's, each with its own settings.
    pub times_rtpengine: Option<f64>,
    /// The same, in a conversation.
    pub times_conversation: Option<f64>,
    /// What a call of ours costs beyond the codec alone: 1 would be nothing.
    pub times_floor: Option<f64>,
}

/// Everybody in turn. `only`: a part of the name of those wanted.
pub fn transcode(bench: &mut Bench, measured: Duration, only: Option<&str>) -> Result<Transcoding> {
    let peers: [(Terms, Box<dyn Transcoder>); 11] = [
        (Terms::Own, Box::new(Rtpengine::DEFAULT)),
        (Terms::Own, Box::new(Stock::defaults())),
        (Terms::Own, Box::new(Ours::bridge())),
        (Terms::Own, Box::new(Ours::defaults())),
        (
            Terms::EqualToRtpengine,
            Box::new(Rtpengine {
                mono: true,
                ..Rtpengine::DEFAULT
            }),
        ),
        (
            Terms::EqualToRtpengine,
            Box::new(Stock::set(48_000, 24_000, 10)),
        ),
        (Terms::EqualToRtpengine, Box::new(Ours::as_rtpengine())),
        (Terms::EqualToOurs, Box::new(Stock::set(8_000, 24_000, 1))),
        (Terms::EqualToOurs, Box::new(Ours::bridge())),
        (Terms::Conversation, Box::new(Rtpengine::DEFAULT)),
        (
            Terms::Conversation,
            Box::new(Ours {
                dtx: true,
                ..Ours::bridge()
            }),
        ),
    ];
    let mut lines: Vec<Line> = Vec::new();
    for (terms, peer) in peers {
        if only.is_some_and(|only| !peer.name().contains(only)) {
            continue;
        }
        let figures = match lines.iter().find(|line| {
            line.terms.talk() == terms.talk()
                && line.figures.peer == peer.name()
                && same(&line.figures, peer.as_ref())
        }) {
            Some(line) => line.figures.clone(),
            None => most(bench, peer.as_ref(), terms.talk(), measured)?,
        };
        lines.push(Line { terms, figures });
    }
    let figures = |terms: Terms, name: &str| {
        let mut lines = lines.iter();
        lines
            .find(|line| line.terms == terms && line.figures.peer == name)
            .map(|line| &line.figures)
    };
    let times = |terms: Terms| {
        let (ours, theirs) = (figures(terms, "sipbridge")?, figures(terms, "rtpengine")?);
        Some(ours.calls_per_core / theirs.calls_per_core)
    };
    let ours = figures(Terms::Own, "sipbridge");
    let floor = floor(
        bench,
        ours.map_or(FLOOR_CALLS, |ours| ours.calls),
        8_000,
        Ours::bridge().opus,
    )?;
    Ok(Transcoding {
        times_rtpengine: times(Terms::Own),
        times_conversation: times(Terms::Conversation),
        times_floor: ours.map(|ours| floor.calls_per_core() / ours.calls_per_core),
        lines,
        floor,
    })
}

fn same(figures: &Figures, peer: &dyn Transcoder) -> bool {
    let (a, b) = (&figures.settings, peer.settings());
    (a.rate_hz, a.complexity, a.bitrate_bps, a.channels)
        == (b.rate_hz, b.complexity, b.bitrate_bps, b.channels)
}

/// The highest load found at which nothing is lost; if there is none, that at which a call cost least.
pub fn most(
    bench: &mut Bench,
    peer: &dyn Transcoder,
    talk: Talk,
    measured: Duration,
) -> Result<Figures> {
    let pilot = measure(bench, peer, talk, PILOT_CALLS, PILOT)?;
    let schedule = Schedule {
        warm_up: Duration::from_secs(3),
        measured: measured.max(talk.round()),
    };
    let mut search = Search::new(pilot.calls_per_core);
    let mut best: Option<Figures> = None;
    while let Some(calls) = search.next() {
        let last = measure(bench, peer, talk, calls, schedule)?;
        bench.progress.note(&format!(
            "{}: {calls} calls took {:.0} % of a core, {:.0} calls a core; {}",
            last.peer,
            last.cpu_percent,
            last.calls_per_core,
            if last.clean {
                "nothing lost or late".to_owned()
            } else {
                format!(
                    "{:.2} % lost, {} gaps, {} ms the longest",
                    last.tally.loss_percent(),
                    last.tally.gaps,
                    last.tally.longest_gap_us / 1_000
                )
            }
        ));
        search.tried(calls, last.clean, last.calls_per_core);
        let better = |best: &Figures| match (best.clean, last.clean) {
            (false, false) => last.calls_per_core > best.calls_per_core,
            (_, clean) => clean,
        };
        if best.as_ref().is_none_or(better) {
            best = Some(last.clone());
        }
    }
    best.context("nothing was measured")
}

/// Which load to try next. Many calls share wake-ups and caches, so what a call costs is known only
/// under load, and each try teaches.
struct Search {
    /// Calls that would fill a core.
    estimate: f64,
    clean: Option<usize>,
    unclean: Option<usize>,
    tries: usize,
}

impl Search {
    fn new(estimate: f64) -> Search {
        Search {
            estimate,
            clean: None,
            unclean: None,
            tries: 0,
        }
    }

    fn next(&self) -> Option<usize> {
        if self.tries >= TRIES {
            return None;
        }
        let aim = (self.estimate * FULL) as usize;
        let calls = match (self.clean, self.unclean) {
            (_, None) => aim,
            (None, Some(unclean)) => unclean * 4 / 5,
            (Some(clean), Some(unclean)) => aim.clamp(clean, (clean + unclean) / 2),
        };
        let calls = calls.max(LEAST_CALLS);
        // What is nearer than this to a load that was carried is no other.
        let known = |clean: usize| calls * 100 <= clean * (100 + NEAR_PERCENT);
        let failed = self.unclean.is_some_and(|unclean| calls >= unclean);
        (!self.clean.is_some_and(known) && !failed).then_some(calls)
    }

    fn tried(&mut self, calls: usize, clean: bool, calls_per_core: f64) {
        self.tries += 1;
        self.estimate = calls_per_core;
        if clean {
            self.clean = Some(calls);
        } else {
            self.unclean = Some(calls);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of a peer that carries so many calls and says that a core would carry this many.
    fn found(carries: usize, says: impl Fn(usize) -> f64) -> (Option<usize>, usize) {
        let mut search = Search::new(says(PILOT_CALLS));
        while let Some(calls) = search.next() {
            search.tried(calls, calls <= carries, says(calls));
        }
        (search.clean, search.tries)
    }

    #[test]
    fn it_climbs_where_calls_get_cheaper_by_their_number() {
        let (most, _) = found(180, |calls| 60.0 + calls as f64 * 0.8);
        assert!(most > Some(160), "{most:?}");
    }

    #[test]
    fn it_climbs_down_to_what_is_carried() {
        let (most, _) = found(40, |_| 100.0);
        assert!((Some(34)..=Some(40)).contains(&most), "{most:?}");
    }

    #[test]
    fn it_ends() {
        let (most, tries) = found(0, |_| 100.0);
        assert_eq!((most, tries), (None, TRIES));
    }
}
