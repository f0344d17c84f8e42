// SPDX-License-Identifier: MPL-2.0
//! Where in what was heard each stretch of what was sent stands.
//!
//! A first estimate comes from the whole recordings, once from the waveforms and once from their envelopes (which
//! stand a drifting clock). Around it each stretch proposes delays of its own, and the likeliest path
//! through them wins: a delay may creep at no cost, and a step has to pay, so that a jitter buffer's
//! adaptation is followed while unrelated speech is not bent until it fits.

use super::band::{RATE_HZ, clear_imaginary_ends};
use super::level::{dbfs, power};
use realfft::RealFftPlanner;

/// One delay is found for each step.
pub(crate) const STEP: usize = RATE_HZ as usize * 160 / 1_000;
/// A step is judged with its surroundings.
const WINDOW: usize = 2 * STEP;
/// How far a delay may lie from the first estimate.
const REACH: usize = RATE_HZ as usize * 200 / 1_000;
/// Below this a step says nothing about the delay.
const QUIET_DBFS: f32 = -55.0;
const ENVELOPE_FRAME: usize = RATE_HZ as usize / 100;

const CANDIDATES: usize = 6;
const STATES: usize = 12;
/// From one step to the next a delay may creep by this much (0.6 %) …
const CREEP: isize = 16;
/// … and any other change costs as much as a third of a perfectly matching step.
const STEP_COST: f32 = 0.35;

/// The likeliest delay, in samples, of each [`STEP`] of `sent`; `None` where nothing resembles it.
pub(crate) fn delays(sent: &[f32], heard: &[f32]) -> Option<Vec<isize>> {
    let mut estimates = vec![peak(&cross_correlate(sent, heard), sent.len())];
    let envelope = peak(
        &cross_correlate(&envelope(sent), &envelope(heard)),
        sent.len().div_ceil(ENVELOPE_FRAME),
    ) * ENVELOPE_FRAME as isize;
    if estimates
        .iter()
        .all(|estimate| estimate.abs_diff(envelope) > REACH / 2)
    {
        estimates.push(envelope);
    }
    let paths = estimates
        .into_iter()
        .filter_map(|estimate| likeliest_path(sent, heard, estimate));
    let best = paths.max_by(|a, b| a.score.total_cmp(&b.score))?;
    Some(best.delays)
}

/// What was heard, put where it was sent.
pub(crate) fn warp(heard: &[f32], delays: &[isize], length: usize) -> Vec<f32> {
    let mut aligned = Vec::with_capacity(length);
    for (step, delay) in delays.iter().enumerate() {
        let start = (step * STEP) as isize + delay;
        for index in start..start + STEP as isize {
            aligned.push(
                usize::try_from(index)
                    .ok()
                    .and_then(|index| heard.get(index))
                    .copied()
                    .unwrap_or(0.0),
            );
        }
    }
    aligned.resize(length, 0.0);
    aligned
}

/// Element `sent.len() - 1 + lag` is the sum of `sent[n] * heard[n + lag]`.
fn cross_correlate(sent: &[f32], heard: &[f32]) -> Vec<f32> {
    if sent.is_empty() || heard.is_empty() {
        return Vec::new();
    }
    let length = (sent.len() + heard.len() - 1).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, backward) = (
        planner.plan_fft_forward(length),
        planner.plan_fft_inverse(length),
    );
    let spectrum = |signal: &mut dyn Iterator<Item = f32>| {
        let mut time: Vec<f32> = signal.collect();
        time.resize(length, 0.0);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut time, &mut spectrum).map(|()| spectrum)
    };
    // Convolution with the reversed signal.
    let (Ok(mut product), Ok(other)) = (
        spectrum(&mut sent.iter().rev().copied()),
        spectrum(&mut heard.iter().copied()),
    ) else {
        return Vec::new();
    };
    product.iter_mut().zip(&other).for_each(|(a, b)| *a *= b);
    clear_imaginary_ends(&mut product);
    let mut out = backward.make_output_vec();
    if backward.process(&mut product, &mut out).is_err() {
        return Vec::new();
    }
    out.truncate(sent.len() + heard.len() - 1);
    out.iter_mut().for_each(|value| *value /= length as f32);
    out
}

fn peak(correlation: &[f32], sent_len: usize) -> isize {
    let best = correlation
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(index, _)| index as isize - (sent_len as isize - 1))
}

/// Loudness in 10 ms frames, without its mean.
fn envelope(signal: &[f32]) -> Vec<f32> {
    let mut levels: Vec<f32> = signal
        .chunks(ENVELOPE_FRAME)
        .map(|frame| (dbfs(power(frame)) - QUIET_DBFS).max(0.0))
        .collect();
    let mean = levels.iter().sum::<f32>() / levels.len().max(1) as f32;
    levels.iter_mut().for_each(|level| *level -= mean);
    levels
}

struct Path {
    score: f32,
    delays: Vec<isize>,
}

#[derive(Clone, Copy)]
struct State {
    delay: isize,
    score: f32,
    /// The state of the step before.
    before: usize,
}

fn likeliest_path(sent: &[f32], heard: &[f32], estimate: isize) -> Option<Path> {
    let steps = sent.len().div_ceil(STEP);
    let mut table: Vec<Vec<State>> = Vec::with_capacity(steps);
    for step in 0..steps {
        let local = Local::new(sent, heard, step, estimate);
        let candidates = local.as_ref().map(Local::candidates).unwrap_or_default();
        let before = table.last().map(Vec::as_slice).unwrap_or_default();
        let carried = before.iter().map(|state| state.delay);
        let mut delays: Vec<isize> = candidates.into_iter().chain(carried).collect();
        if delays.is_empty() {
            delays.push(estimate);
        }
        delays.sort_unstable();
        delays.dedup();
        let mut states: Vec<State> = delays
            .into_iter()
            .map(|delay| {
                let gain = local.as_ref().map_or(0.0, |local| local.at(delay));
                let best = before
                    .iter()
                    .enumerate()
                    .map(|(index, state)| (index, state.score - cost(state.delay, delay)))
                    .max_by(|a, b| a.1.total_cmp(&b.1));
                let (before, score) = best.unwrap_or((0, 0.0));
                State {
                    delay,
                    score: score + gain,
                    before,
                }
            })
            .collect();
        states.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        states.truncate(STATES);
        table.push(states);
    }
    let score = table.last()?.first()?.score;
    if score <= 0.0 {
        return None;
    }
    let mut delays = Vec::with_capacity(steps);
    let mut index = 0;
    for states in table.iter().rev() {
        let state = states.get(index)?;
        delays.push(state.delay);
        index = state.before;
    }
    delays.reverse();
    Some(Path { score, delays })
}

fn cost(from: isize, to: isize) -> f32 {
    let change = from.abs_diff(to) as f32;
    if change <= CREEP as f32 {
        change * 0.002
    } else {
        STEP_COST
    }
}

/// The normalised correlation of one step for every delay within [`REACH`].
struct Local {
    first_delay: isize,
    correlation: Vec<f32>,
}

impl Local {
    fn new(sent: &[f32], heard: &[f32], step: usize, estimate: isize) -> Option<Local> {
        let start = (step * STEP).saturating_sub(STEP / 2);
        let window = sent.get(start..(start + WINDOW).min(sent.len()))?;
        if dbfs(power(window)) < QUIET_DBFS {
            return None;
        }
        let first_delay = estimate - REACH as isize;
        let from = start as isize + first_delay;
        let around: Vec<f32> = (from..from + (window.len() + 2 * REACH) as isize)
            .map(|index| {
                usize::try_from(index)
                    .ok()
                    .and_then(|index| heard.get(index))
                    .copied()
                    .unwrap_or(0.0)
            })
            .collect();
        let products = cross_correlate(window, &around);
        let sent_energy = power(window) * window.len() as f32;
        // What is 30 dB below the source is not a rendering of it, however alike it looks.
        let least = sent_energy * 0.001;
        let mut energy: f32 = around.get(..window.len())?.iter().map(|s| s * s).sum();
        let mut correlation = Vec::with_capacity(2 * REACH);
        for lag in 0..2 * REACH {
            let product = products.get(window.len() - 1 + lag)?;
            correlation.push(product / (sent_energy * energy.max(least)).sqrt());
            energy += around.get(lag + window.len())?.powi(2) - around.get(lag)?.powi(2);
        }
        Some(Local {
            first_delay,
            correlation,
        })
    }

    fn at(&self, delay: isize) -> f32 {
        let index = usize::try_from(delay - self.first_delay).ok();
        index
            .and_then(|index| self.correlation.get(index))
            .copied()
            .unwrap_or(0.0)
    }

    fn candidates(&self) -> Vec<isize> {
        let mut peaks: Vec<(f32, isize)> = self
            .correlation
            .windows(3)
            .enumerate()
            .filter(|(_, w)| w[1] > 0.2 && w[1] >= w[0] && w[1] > w[2])
            .map(|(index, w)| (w[1], self.first_delay + index as isize + 1))
            .collect();
        peaks.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        peaks.truncate(CANDIDATES);
        peaks.into_iter().map(|(_, delay)| delay).collect()
    }
}
