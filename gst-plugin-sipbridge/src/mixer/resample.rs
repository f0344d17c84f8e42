// SPDX-License-Identifier: MPL-2.0
//! From one rate of telephony to another: whole multiples, so every frame of 20 ms becomes one.
//!
//! The filter is linear, and that is what mix-minus needs: what a sum of voices becomes, less what one
//! of them becomes, is what the others become. A resampler that adapts or dithers would leave a trace
//! of oneself behind.

use std::f64::consts::PI;
use std::sync::{Arc, LazyLock};

use super::Rate;
use super::rate::PerRate;

/// Samples of the lower rate that the filter reaches over: it lags by half of them, 2.5 ms at 8 kHz.
const REACH: usize = 40;

/// Where the filter's middle lies, as a share of the lower rate's band: telephone speech ends at 0.85.
const CUT: f64 = 0.92;

/// Kaiser's window for 60 dB of attenuation.
const BETA: f64 = 5.65;

/// Resamples frame after frame.
pub(super) struct Resampler {
    to: Rate,
    factor: usize,
    up: bool,
    /// For each phase of the higher rate, `REACH` coefficients, the latest sample's last.
    taps: Arc<[f32]>,
    /// The input, after the `REACH` (or `REACH · factor`) samples before it.
    line: Vec<f32>,
    past: usize,
    resampled: Vec<f32>,
    /// Frames until the filter has nothing left in it.
    echoes: u32,
}

static TAPS: LazyLock<[(usize, Arc<[f32]>); 3]> = LazyLock::new(|| [2, 3, 6].map(|f| (f, taps(f))));

impl Resampler {
    /// Between two rates that differ.
    pub(super) fn new(from: Rate, to: Rate) -> Resampler {
        let up = to > from;
        let (low, high) = if up { (from, to) } else { (to, from) };
        let factor = (high.hz() / low.hz()) as usize;
        let past = if up { REACH } else { REACH * factor };
        Resampler {
            to,
            factor,
            up,
            taps: TAPS
                .iter()
                .find(|(of, _)| *of == factor)
                .map_or_else(|| taps(factor), |(_, taps)| taps.clone()),
            line: vec![0.0; past + from.frame()],
            past,
            resampled: vec![0.0; to.frame()],
            echoes: 0,
        }
    }

    pub(super) fn to(&self) -> Rate {
        self.to
    }

    /// Whether a frame without input would still sound.
    pub(super) fn echoes(&self) -> bool {
        self.echoes > 0
    }

    /// One frame; `None` is silence.
    pub(super) fn frame(&mut self, input: Option<&[f32]>) -> &[f32] {
        let length = self.line.len() - self.past;
        self.line.copy_within(length.., 0);
        let place = self.line.get_mut(self.past..).unwrap_or_default();
        match input {
            Some(input) => {
                self.echoes = 1;
                place
                    .iter_mut()
                    .zip(input)
                    .for_each(|(to, from)| *to = *from);
            }
            None => {
                self.echoes = self.echoes.saturating_sub(1);
                place.fill(0.0);
            }
        }
        if self.up {
            self.interpolate();
        } else {
            self.decimate();
        }
        &self.resampled
    }

    /// The last frame made.
    pub(super) fn last(&self) -> &[f32] {
        &self.resampled
    }

    fn interpolate(&mut self) {
        let windows = self.line.windows(REACH).skip(1);
        for (outputs, window) in self.resampled.chunks_exact_mut(self.factor).zip(windows) {
            for (output, taps) in outputs.iter_mut().zip(self.taps.chunks_exact(REACH)) {
                *output = dot(window, taps);
            }
        }
    }

    /// As interpolation, the other way round: the sum of all phases, each on every `factor`th sample.
    fn decimate(&mut self) {
        let reach = REACH * self.factor;
        let windows = self
            .line
            .windows(reach)
            .skip(self.factor)
            .step_by(self.factor);
        for (output, window) in self.resampled.iter_mut().zip(windows) {
            *output = dot(window, &self.taps[self.taps.len() - reach..]);
        }
    }
}

/// In eight lanes, which the compiler makes vectors of.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// A windowed sinc: first by phase, for interpolation; then whole, for decimation.
fn taps(factor: usize) -> Arc<[f32]> {
    let length = REACH * factor;
    let middle = (length - 1) as f64 / 2.0;
    let prototype: Vec<f64> = (0..length)
        .map(|i| {
            let t = (i as f64 - middle) / factor as f64;
            let window = 1.0 - ((i as f64 - middle) / (middle + 0.5)).powi(2);
            sinc(t * CUT) * CUT * bessel(BETA * window.max(0.0).sqrt()) / bessel(BETA)
        })
        .collect();
    let gain = prototype.iter().sum::<f64>();
    let by_phase = (0..factor).flat_map(|phase| {
        // The latest sample meets the earliest coefficient.
        (0..REACH)
            .rev()
            .map(move |k| k * factor + phase)
            .collect::<Vec<_>>()
    });
    let up = by_phase.map(|i| prototype.get(i).copied().unwrap_or(0.0) * factor as f64 / gain);
    let down = prototype.iter().rev().map(|tap| tap / gain);
    up.chain(down).map(|tap| tap as f32).collect()
}

fn sinc(t: f64) -> f64 {
    if t.abs() < 1e-9 {
        1.0
    } else {
        (PI * t).sin() / (PI * t)
    }
}

/// The modified Bessel function of order zero, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

/// Resamplers into one rate from the two others, for voices that are summed.
pub(super) struct Inlets {
    from: PerRate<Option<Resampler>>,
}

impl Inlets {
    pub(super) fn new(to: Rate) -> Inlets {
        Inlets {
            from: PerRate::new(|from| (from != to).then(|| Resampler::new(from, to))),
        }
    }

    pub(super) fn of(&mut self, from: Rate) -> Option<&mut Resampler> {
        self.from[from].as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [(Rate, Rate); 6] = [
        (Rate::Hz8000, Rate::Hz16000),
        (Rate::Hz8000, Rate::Hz48000),
        (Rate::Hz16000, Rate::Hz48000),
        (Rate::Hz16000, Rate::Hz8000),
        (Rate::Hz48000, Rate::Hz8000),
        (Rate::Hz48000, Rate::Hz16000),
    ];

    fn tone(rate: Rate, hz: f64, frame: usize) -> Vec<f32> {
        (0..rate.frame())
            .map(|i| {
                let t = (frame * rate.frame() + i) as f64 / f64::from(rate.hz());
                ((t * hz * std::f64::consts::TAU).sin() * 10_000.0) as f32
            })
            .collect()
    }

    /// The level of what comes out when a tone goes in, as a share of it.
    fn gain(from: Rate, to: Rate, hz: f64) -> f64 {
        let mut resampler = Resampler::new(from, to);
        let mut energy = 0.0;
        for frame in 0..20 {
            let out = resampler.frame(Some(&tone(from, hz, frame)));
            assert_eq!(out.len(), to.frame());
            if frame >= 10 {
                energy += out.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
            }
        }
        (energy / (10 * to.frame()) as f64).sqrt() / (10_000.0 / std::f64::consts::SQRT_2)
    }

    #[test]
    fn speech_passes_and_what_the_lower_rate_cannot_hold_does_not() {
        for (from, to) in PAIRS {
            let low = f64::from(from.min(to).hz());
            for hz in [300.0, 1_000.0, low * 0.42] {
                let gain = gain(from, to, hz);
                assert!((0.97..1.03).contains(&gain), "{from:?} {to:?} {hz}: {gain}");
            }
            if from > to {
                let alias = gain(from, to, low * 0.55);
                assert!(alias < 0.002, "{from:?} {to:?}: {alias}");
            }
        }
    }

    #[test]
    fn images_of_an_upsampled_tone_are_gone() {
        let mut resampler = Resampler::new(Rate::Hz8000, Rate::Hz48000);
        // Against the same tone made at the higher rate, the filter's lag found by trial.
        let mut made = Vec::new();
        for frame in 0..20 {
            made.extend_from_slice(resampler.frame(Some(&tone(Rate::Hz8000, 3_000.0, frame))));
        }
        let wanted: Vec<f32> = (0..20)
            .flat_map(|frame| tone(Rate::Hz48000, 3_000.0, frame))
            .collect();
        let off = (0..240 * 10)
            .map(|tenths| {
                let lag = f64::from(tenths) / 10.0;
                (10_000..12_000)
                    .map(|i| {
                        let t = (i as f64 - lag) / 48_000.0;
                        let want = (t * 3_000.0 * std::f64::consts::TAU).sin() * 10_000.0;
                        (f64::from(made[i]) - want).powi(2)
                    })
                    .sum::<f64>()
            })
            .fold(f64::MAX, f64::min);
        let energy: f64 = wanted[10_000..12_000]
            .iter()
            .map(|s| f64::from(*s).powi(2))
            .sum();
        assert!(off / energy < 1e-4, "{}", off / energy);
    }

    #[test]
    fn a_sum_less_one_voice_is_the_other_voice() {
        for (from, to) in PAIRS {
            let [mut both, mut one, mut other] = [(); 3].map(|()| Resampler::new(from, to));
            for frame in 0..10 {
                let (a, b) = (tone(from, 700.0, frame), tone(from, 1_100.0, frame));
                let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
                both.frame(Some(&sum));
                one.frame(Some(&a));
                other.frame(Some(&b));
                for ((both, one), other) in both.last().iter().zip(one.last()).zip(other.last()) {
                    assert!((both - one - other).abs() < 0.1, "{from:?} {to:?}");
                }
            }
        }
    }

    #[test]
    fn it_says_when_nothing_is_left() {
        let mut resampler = Resampler::new(Rate::Hz8000, Rate::Hz48000);
        assert!(!resampler.echoes());
        resampler.frame(Some(&tone(Rate::Hz8000, 700.0, 0)));
        assert!(resampler.echoes());
        assert!(resampler.frame(None).iter().any(|s| s.abs() > 10.0));
        assert!(!resampler.echoes());
        assert!(resampler.frame(None).iter().all(|s| *s == 0.0));
    }
}
