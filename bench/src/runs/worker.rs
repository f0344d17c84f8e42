// SPDX-License-Identifier: MPL-2.0
//! Calls to the worker as it is shipped, each answered with media in a room of its own and hung up, faster and
//! faster, until one fails.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Bench;
use super::calls::{STAY, Step, step};
use crate::load::{Caller, Way};
use crate::peers::{Reception, Share};

/// Calls a second that are tried in turn.
const RATES: [u32; 9] = [50, 100, 150, 200, 250, 300, 400, 500, 600];

/// What a worker's first calls make.
const FIRST_CALLS: u32 = 50;

/// All rates, on one core and on all of them.
#[derive(Debug, Clone, Serialize)]
pub struct Reached {
    pub shares: Vec<Shared>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Shared {
    pub share: Share,
    /// The last of them is the first that did not do.
    pub steps: Vec<Step>,
}

pub fn worker(bench: &mut Bench, measured: Duration, only: Option<&str>) -> Result<Reached> {
    let wanted = |share: &Share| only.is_none_or(|only| share.said().contains(only));
    let shares = Share::ALL.into_iter().filter(wanted);
    let shares = shares.map(|share| faster_and_faster(bench, share, measured));
    Ok(Reached {
        shares: shares.collect::<Result<_>>()?,
    })
}

fn faster_and_faster(bench: &mut Bench, share: Share, measured: Duration) -> Result<Shared> {
    let mut reception = Reception::start(&bench.stage, share)?;
    let mut calls = |bench: &Bench, calls_a_second: u32, seconds: u64| {
        let caller = Caller {
            way: Way::Udp,
            to: reception.listens(),
            calls: u64::from(calls_a_second) * seconds,
            calls_a_second,
            stay: STAY,
        };
        step(bench, reception.process.pid(), caller, || reception.over())
    };
    calls(bench, FIRST_CALLS, 1)?;
    let mut steps = Vec::new();
    for calls_a_second in RATES {
        let what = format!(
            "through the worker on {}: {calls_a_second} calls a second",
            share.said()
        );
        bench.progress.step(&what, measured);
        let step = calls(bench, calls_a_second, measured.as_secs())?;
        bench.progress.note(&format!("{what}: {}", step.said()));
        let clean = step.is_clean();
        steps.push(step);
        if !clean {
            break;
        }
    }
    Ok(Shared { share, steps })
}
