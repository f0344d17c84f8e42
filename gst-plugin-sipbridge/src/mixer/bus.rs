// SPDX-License-Identifier: MPL-2.0
//! All voices at one rate, and the mix of them for everybody who is silent.

use super::Rate;
use super::limiter::Limiter;
use super::rate::PerRate;
use super::resample::Inlets;

/// A sample this small is silence to anyone: −50 dBFS.
const QUIET: i16 = 100;

/// The sum of the voices of one rate.
pub(super) struct Sum {
    samples: Vec<f32>,
    previous: Vec<f32>,
    sounds: bool,
    sounded: bool,
}

impl Sum {
    pub(super) fn new(rate: Rate) -> Sum {
        Sum {
            samples: vec![0.0; rate.frame()],
            previous: vec![0.0; rate.frame()],
            sounds: false,
            sounded: false,
        }
    }

    /// A tick begins.
    pub(super) fn clear(&mut self) {
        std::mem::swap(&mut self.samples, &mut self.previous);
        self.sounded = std::mem::take(&mut self.sounds);
    }

    pub(super) fn add(&mut self, voice: &[f32]) {
        if self.sounds {
            for (sum, sample) in self.samples.iter_mut().zip(voice) {
                *sum += sample;
            }
        } else {
            for (sum, sample) in self.samples.iter_mut().zip(voice) {
                *sum = *sample;
            }
            self.sounds = true;
        }
    }

    fn now(&self) -> Option<&[f32]> {
        self.sounds.then_some(&self.samples)
    }

    fn before(&self) -> Option<&[f32]> {
        self.sounded.then_some(&self.previous)
    }
}

/// What can be heard at one rate.
pub(super) struct Bus {
    rate: Rate,
    /// Somebody listens at this rate.
    pub(super) wanted: bool,
    running: bool,
    inlets: Inlets,
    sum: Vec<f32>,
    limiter: Limiter,
    before: Limiter,
    mix: Vec<i16>,
    quiet: bool,
}

impl Bus {
    pub(super) fn new(rate: Rate) -> Bus {
        Bus {
            rate,
            wanted: false,
            running: false,
            inlets: Inlets::new(rate),
            sum: vec![0.0; rate.frame()],
            limiter: Limiter::default(),
            before: Limiter::default(),
            mix: vec![0; rate.frame()],
            quiet: true,
        }
    }

    /// One tick: all voices together, and the mix of them.
    pub(super) fn tick(&mut self, sums: &PerRate<Sum>) {
        if !self.wanted {
            self.running = false;
            return;
        }
        let starts = !std::mem::replace(&mut self.running, true);
        match sums[self.rate].now() {
            Some(native) => self.sum.copy_from_slice(native),
            None => self.sum.fill(0.0),
        }
        for from in Rate::ALL {
            let Some(inlet) = self.inlets.of(from) else {
                continue;
            };
            if starts {
                // As if somebody had always listened: what is heard now has a past.
                inlet.frame(sums[from].before());
            }
            let now = sums[from].now();
            if now.is_some() || inlet.echoes() {
                for (sum, sample) in self.sum.iter_mut().zip(inlet.frame(now)) {
                    *sum += sample;
                }
            }
        }
        self.before = self.limiter;
        self.limiter.frame(&self.sum, &mut self.mix);
        self.quiet = self
            .mix
            .iter()
            .all(|sample| sample.unsigned_abs() < QUIET as u16);
    }

    /// Everybody, before the limiter.
    pub(super) fn sum(&self) -> &[f32] {
        &self.sum
    }

    /// What those hear who are silent.
    pub(super) fn mix(&self) -> &[i16] {
        &self.mix
    }

    /// Whether there is next to nothing to hear.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The gain of the mix as this tick found it.
    pub(super) fn limiter_before(&self) -> Limiter {
        self.before
    }

    /// The gain of the mix as this tick left it.
    pub(super) fn limiter(&self) -> &Limiter {
        &self.limiter
    }
}
