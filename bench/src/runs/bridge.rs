// SPDX-License-Identifier: MPL-2.0
//! What a bridge costs, beside rtpengine in user space: G.711 on both sides, whose packets pass as they are, and
//! PCMU to Opus and back. As many calls for everybody, so that what a wake-up carries is the same.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Bench;
use super::load::{Figures, Talk, measure};
use crate::load::Schedule;
use crate::peers::{Ours, Rtpengine, Transcoder};

/// One that transcodes fills a core of rtpengine's with fewer than the most of these; what passes does not.
const PASSING: [usize; 2] = [50, 300];
const TRANSCODING: [usize; 2] = [10, 40];

/// The figures of both kinds, in turn: rtpengine's, and ours.
#[derive(Debug, Clone, Serialize)]
pub struct Bridges {
    pub passing: Compared,
    pub transcoding: Compared,
    /// Whether more bridges are no more threads.
    pub threads_constant: bool,
}

/// The same work of both.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    pub theirs: Vec<Figures>,
    pub ours: Vec<Figures>,
    /// Our calls per core to rtpengine's, at the most calls.
    pub times: Option<f64>,
}

pub fn bridges(bench: &mut Bench, measured: Duration) -> Result<Bridges> {
    let rtpengine = Rtpengine {
        passes: true,
        ..Rtpengine::DEFAULT
    };
    let passing = compare(bench, measured, PASSING, &rtpengine, &Ours::passing())?;
    let (theirs, ours) = (Rtpengine::DEFAULT, Ours::bridge());
    let transcoding = compare(bench, measured, TRANSCODING, &theirs, &ours)?;
    let mut threads = passing.ours.iter().chain(&transcoding.ours);
    let first = threads.next().map(|figures| figures.threads);
    Ok(Bridges {
        threads_constant: threads.all(|figures| Some(figures.threads) == first),
        passing,
        transcoding,
    })
}

fn compare(
    bench: &mut Bench,
    measured: Duration,
    calls: [usize; 2],
    theirs: &dyn Transcoder,
    ours: &dyn Transcoder,
) -> Result<Compared> {
    let schedule = Schedule {
        warm_up: Duration::from_secs(3),
        measured,
    };
    let mut figures = |peer: &dyn Transcoder| {
        let each = calls.iter();
        each.map(|calls| measure(bench, peer, Talk::Always, *calls, schedule))
            .collect::<Result<Vec<_>>>()
    };
    let (theirs, ours) = (figures(theirs)?, figures(ours)?);
    let most = ours.last().zip(theirs.last());
    Ok(Compared {
        times: most.map(|(ours, theirs)| ours.calls_per_core / theirs.calls_per_core),
        theirs,
        ours,
    })
}
