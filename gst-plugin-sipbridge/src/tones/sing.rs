// SPDX-License-Identifier: MPL-2.0
//! Digits as tones.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use super::{MILLIWATT, pair};
use crate::leg::DigitsError;

/// What telephones send: −10 dBm0 low and 2 dB more high, for lines attenuate high tones more.
const LOW_DBM0: f64 = -10.0;
const HIGH_DBM0: f64 = -8.0;

/// Every administration's receivers tell two presses apart by it (Q.24 table 1: 70 ms the longest).
const PAUSE_S: f64 = 0.08;

/// A tone that began or ended at once would click.
const RAMP_S: f64 = 0.003;

/// Digits that may wait.
const QUEUE: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Tone {
    low_hz: f64,
    high_hz: f64,
    length_s: f64,
}

/// Makes the samples of digits that wait, one after the other with pauses between.
#[derive(Debug, Default)]
pub struct Singer {
    waiting: VecDeque<Tone>,
    singing: Option<Tone>,
    /// Since the tone began.
    at_s: f64,
    sung: u64,
}

impl Singer {
    /// Queues digits, each this long (40 ms to 6 s), behind those that wait.
    pub fn queue(&mut self, digits: &str, duration_ms: u32) -> Result<(), DigitsError> {
        let length_s = f64::from(duration_ms.clamp(40, 6_000)) / 1_000.0;
        let tones = digits.chars().map(|digit| {
            let (low_hz, high_hz) =
                pair(digit.to_ascii_uppercase()).ok_or(DigitsError::NotADigit(digit))?;
            Ok(Tone {
                low_hz,
                high_hz,
                length_s,
            })
        });
        let tones = tones.collect::<Result<Vec<_>, _>>()?;
        if self.waiting.len() + tones.len() > QUEUE {
            return Err(DigitsError::QueueFull);
        }
        self.waiting.extend(tones);
        Ok(())
    }

    /// Whether nothing waits and nothing sounds.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.singing.is_none()
    }

    /// Digits that were sent whole.
    pub fn sung(&self) -> u64 {
        self.sung
    }

    /// Forgets what waits and what sounds.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.singing = None;
    }

    /// Replaces `pcm` by what sounds next, at this rate.
    pub fn sing(&mut self, rate_hz: u32, pcm: &mut [i16]) {
        let step_s = 1.0 / f64::from(rate_hz.max(1));
        for sample in pcm {
            if self.singing.is_none() {
                self.singing = self.waiting.pop_front();
                self.at_s = 0.0;
            }
            let Some(tone) = self.singing else {
                *sample = 0;
                continue;
            };
            *sample = tone.sample(self.at_s);
            self.at_s += step_s;
            if self.at_s >= tone.length_s + PAUSE_S {
                self.singing = None;
                self.sung += 1;
            }
        }
    }
}

impl Tone {
    fn sample(&self, at_s: f64) -> i16 {
        let ramp = (at_s.min(self.length_s - at_s) / RAMP_S).clamp(0.0, 1.0);
        if ramp == 0.0 {
            return 0;
        }
        let sine = |hz: f64, dbm0: f64| amplitude(dbm0) * (TAU * hz * at_s).sin();
        let both = sine(self.low_hz, LOW_DBM0) + sine(self.high_hz, HIGH_DBM0);
        (both * ramp) as i16
    }
}

/// The peak of a sine of this level.
fn amplitude(dbm0: f64) -> f64 {
    (2.0 * MILLIWATT * 10f64.powf(dbm0 / 10.0)).sqrt()
}
