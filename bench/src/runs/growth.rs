// SPDX-License-Identifier: MPL-2.0
//! What more calls cost: processor time must grow straight with them, threads not at all.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Bench;
use super::load::{Figures, Talk, measure};
use crate::load::Schedule;
use crate::peers::Ours;

const CALLS: [usize; 5] = [1, 10, 50, 100, 200];

/// Figures at each number of calls.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    pub steps: Vec<Figures>,
    /// From the first to the last step, for each call between them.
    pub memory_kib_per_call: f64,
    /// The dearest call to the cheapest, from ten calls on.
    pub dearest_to_cheapest: f64,
    /// The same number at each step.
    pub threads_constant: bool,
}

pub fn growth(bench: &mut Bench, measured: Duration) -> Result<Growth> {
    let schedule = Schedule {
        warm_up: Duration::from_secs(3),
        measured,
    };
    let steps = CALLS
        .into_iter()
        .map(|calls| measure(bench, &Ours::bridge(), Talk::Always, calls, schedule))
        .collect::<Result<Vec<_>>>()?;
    let per_call = steps
        .iter()
        .filter(|step| step.calls >= 10)
        .map(|step| step.cpu_percent / step.calls as f64);
    let (least, most) = per_call.fold((f64::INFINITY, 0f64), |(least, most), cost| {
        (least.min(cost), most.max(cost))
    });
    let (first, last) = (steps.first(), steps.last());
    let memory = first.zip(last).map_or(0.0, |(first, last)| {
        last.memory_kib.saturating_sub(first.memory_kib) as f64
            / (last.calls - first.calls).max(1) as f64
    });
    Ok(Growth {
        memory_kib_per_call: memory,
        dearest_to_cheapest: most / least,
        threads_constant: steps.windows(2).all(|pair| match pair {
            [before, after] => before.threads == after.threads,
            _ => true,
        }),
        steps,
    })
}
