// SPDX-License-Identifier: MPL-2.0
//! Calls to the worker as it is shipped, each answered with media in a room of its own and hung up, faster and
//! faster, until one fails.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Bench;
use super::calls::{STAY, Step, step};
use crate::load::{Caller, Way};
use crate::peers::Reception;

/// Calls a second that are tried in turn.
const RATES: [u32; 7] = [50, 100, 200, 300, 400, 500, 600];

/// What a worker's first calls make.
const FIRST_CALLS: u32 = 50;

/// All rates.
#[derive(Debug, Clone, Serialize)]
pub struct Reached {
    /// The last of them is the first that did not do.
    pub steps: Vec<Step>,
}

pub fn worker(bench: &mut Bench, measured: Duration) -> Result<Reached> {
    let mut reception = Reception::start(&bench.stage)?;
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
        let what = format!("through the worker: {calls_a_second} calls a second");
        bench.progress.step(&what, measured);
        let step = calls(bench, calls_a_second, measured.as_secs())?;
        bench.progress.note(&format!("{what}: {}", step.said()));
        let clean = step.is_clean();
        steps.push(step);
        if !clean {
            break;
        }
    }
    Ok(Reached { steps })
}
