// SPDX-License-Identifier: MPL-2.0
//! Finding keys in audio.
//!
//! Audio is looked at in steps of 8 ms. In each, the eight frequencies are measured with their phase,
//! so that three steps together say how strong two tones are, how far off their frequencies and how
//! steady: a voice that hits two of them for a moment does not hold them. A press needs four steps in
//! a row, which every tone of 40 ms has and none of 23 ms (Q.24: the shortest to take, and the longest
//! to leave).

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::sync::LazyLock;

use super::{HIGH, LOW, MILLIWATT, PAD};

/// Audio is brought to this rate by averaging: all tones are well below half of it.
const RATE_HZ: usize = 8_000;
/// Samples and milliseconds in a step.
const STEP: usize = 64;
const STEP_MS: f32 = 8.0;
/// Steps that are looked at together.
const WINDOW: usize = 3;
/// Windows in a row that make a press.
const HITS: u8 = 2;
/// Steps without the tone that end a press: a packet lost (20 ms) does not, a pause of 40 ms does.
const SILENT_STEPS: u8 = 4;

/// The weakest tone taken, in dBm0 each (Q.24: down to −29), with some to spare.
const WEAKEST_DBM0: f64 = -34.0;
/// How much stronger one of the two may be, as a ratio of powers: 9 dB.
const TWIST: f32 = 8.0;
/// How far a frequency may be off: 1.5 % must do, 3.5 % must not (Q.24).
const OFF: f32 = 0.023;
/// The part of all power that the two tones make up: voices have more than two harmonics.
const PURITY: f32 = 0.9;
/// How much of its power a tone keeps when the steps are added up in phase: 1 for a steady one.
const STEADY: f32 = 0.9;
/// How much less than before, as a ratio of amplitudes, still is the tone.
const PRESENT: f32 = 0.5;

type Phasor = (f32, f32);

/// Cosine and sine of the eight frequencies over a step.
static WAVES: LazyLock<[[Phasor; 8]; STEP]> = LazyLock::new(|| {
    let mut waves = [[(0.0, 0.0); 8]; STEP];
    for (at, wave) in waves.iter_mut().enumerate() {
        for (phasor, hz) in wave.iter_mut().zip(frequencies()) {
            let angle = TAU * hz * at as f32 / RATE_HZ as f32;
            *phasor = (angle.cos(), -angle.sin());
        }
    }
    waves
});

fn frequencies() -> impl Iterator<Item = f32> {
    LOW.into_iter().chain(HIGH).map(|hz| hz as f32)
}

/// A key that was let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press {
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    pub digit: char,
    /// How long its tones sounded.
    pub duration_ms: u32,
}

/// One step: what the eight frequencies gave, and the power of everything.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    tones: [Phasor; 8],
    power: f32,
}

/// The two tones in a window: which, and their mean amplitudes in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Hit {
    low: usize,
    high: usize,
    low_level: f32,
    high_level: f32,
}

#[derive(Debug, Clone, Copy)]
struct Down {
    hit: Hit,
    /// Up to the last step that has the tone.
    length_ms: f32,
    /// How much of that step and of the one after it the tone fills.
    last: f32,
    after: f32,
    /// Steps since.
    silent: u8,
}

/// Listens to one line.
#[derive(Debug)]
pub struct Listener {
    /// Samples that wait for a whole one at our rate.
    sum: i32,
    summed: u32,
    step: Step,
    at: usize,
    /// The last ones, the newest at the end.
    steps: [Step; WINDOW + HITS as usize],
    candidate: Option<(Hit, u8)>,
    down: Option<Down>,
    presses: VecDeque<Press>,
}

impl Default for Listener {
    fn default() -> Listener {
        Listener {
            sum: 0,
            summed: 0,
            step: Step::default(),
            at: 0,
            steps: [Step::default(); WINDOW + HITS as usize],
            candidate: None,
            down: None,
            presses: VecDeque::new(),
        }
    }
}

impl Listener {
    /// Hears samples at a multiple of 8 kHz. Says whether a tone sounds in them.
    pub fn hear(&mut self, rate_hz: u32, pcm: &[i16]) -> bool {
        let per_sample = (rate_hz / RATE_HZ as u32).max(1);
        let mut sounds = self.sounds();
        for sample in pcm {
            self.sum += i32::from(*sample);
            self.summed += 1;
            if self.summed < per_sample {
                continue;
            }
            let value = self.sum as f32 / per_sample as f32;
            (self.sum, self.summed) = (0, 0);
            if let Some(wave) = WAVES.get(self.at) {
                for ((re, im), (cos, sin)) in self.step.tones.iter_mut().zip(wave) {
                    *re += value * cos;
                    *im += value * sin;
                }
            }
            self.step.power += value * value;
            self.at += 1;
            if self.at == STEP {
                self.end_step();
                sounds |= self.sounds();
            }
        }
        sounds
    }

    /// The next press that ended.
    pub fn poll(&mut self) -> Option<Press> {
        self.presses.pop_front()
    }

    /// What is heard from now on has nothing to do with what was.
    pub fn reset(&mut self) {
        if let Some(down) = self.down.take() {
            self.tell(down);
        }
        *self = Listener {
            presses: std::mem::take(&mut self.presses),
            ..Listener::default()
        };
    }

    /// Whether a key is down, or about to be found so.
    fn sounds(&self) -> bool {
        self.candidate.is_some() || self.down.is_some_and(|down| down.silent == 0)
    }

    fn end_step(&mut self) {
        self.at = 0;
        self.steps.rotate_left(1);
        if let Some(last) = self.steps.last_mut() {
            *last = std::mem::take(&mut self.step);
        }
        if let Some(mut down) = self.down.take() {
            if self.goes_on(&mut down) {
                self.down = Some(down);
                return;
            }
            self.tell(down);
        }
        let hit = self.steps.last_chunk::<WINDOW>().and_then(look);
        self.candidate = hit.map(|hit| match self.candidate {
            Some((before, hits)) if (before.low, before.high) == (hit.low, hit.high) => {
                (hit, hits + 1)
            }
            _ => (hit, 1),
        });
        if let Some((hit, HITS)) = self.candidate {
            self.candidate = None;
            // The tone filled all of the last windows, and perhaps part of the step before them.
            let whole = WINDOW + usize::from(HITS) - 2;
            let part = self.steps.first().map_or(0.0, |step| hit.share(step));
            self.down = Some(Down {
                hit,
                length_ms: (whole as f32 + part) * STEP_MS,
                last: 1.0,
                after: 0.0,
                silent: 0,
            });
        }
    }

    /// Counts the last step. `false`: the key was let go of.
    fn goes_on(&self, down: &mut Down) -> bool {
        let share = self.steps.last().map_or(0.0, |step| down.hit.share(step));
        if share >= PRESENT {
            // What was missing in between was a hole in the line.
            down.length_ms += (f32::from(down.silent) + 1.0) * STEP_MS;
            (down.last, down.after, down.silent) = (share, 0.0, 0);
            return true;
        }
        if down.silent == 0 {
            down.after = share;
        }
        down.silent += 1;
        down.silent < SILENT_STEPS
    }

    fn tell(&mut self, down: Down) {
        let key = PAD.get(down.hit.low).and_then(|row| row.get(down.hit.high));
        if let Some(digit) = key {
            let length_ms = down.length_ms + (down.last + down.after) * STEP_MS;
            self.presses.push_back(Press {
                digit: *digit,
                duration_ms: length_ms.round() as u32,
            });
        }
    }
}

impl Hit {
    /// How much of the two tones there is in a step: 1 for all of it.
    fn share(&self, step: &Step) -> f32 {
        let of = |index: usize, level: f32| {
            step.tones
                .get(index)
                .map_or(0.0, |tone| norm(*tone).sqrt() / level)
        };
        of(self.low, self.low_level)
            .min(of(4 + self.high, self.high_level))
            .min(1.0)
    }
}

/// The key that sounds through a whole window, if one does.
fn look(window: &[Step; WINDOW]) -> Option<Hit> {
    let power: f32 = window.iter().map(|step| step.power).sum();
    let per_sample = power / (WINDOW * STEP) as f32;
    let weakest = (MILLIWATT * 10f64.powf(WEAKEST_DBM0 / 10.0)) as f32;
    if per_sample < 2.0 * weakest {
        return None;
    }
    let low = loudest(window, 0)?;
    let high = loudest(window, 4)?;
    let low_power = tone_power(window, low)?;
    let high_power = tone_power(window, high)?;
    let fits = low_power >= weakest
        && high_power >= weakest
        && low_power <= high_power * TWIST
        && high_power <= low_power * TWIST
        && low_power + high_power >= per_sample * PURITY;
    fits.then(|| Hit {
        low,
        high: high - 4,
        low_level: level(window, low),
        high_level: level(window, high),
    })
}

/// Which of the four frequencies from `first` on is the strongest.
fn loudest(window: &[Step; WINDOW], first: usize) -> Option<usize> {
    (first..first + 4).max_by(|a, b| energy(window, *a).total_cmp(&energy(window, *b)))
}

fn energy(window: &[Step; WINDOW], index: usize) -> f32 {
    window.iter().map(|step| norm(tone(step, index))).sum()
}

/// The mean amplitude in a step.
fn level(window: &[Step; WINDOW], index: usize) -> f32 {
    (energy(window, index) / WINDOW as f32).sqrt().max(1.0)
}

/// The power of a tone near this frequency, where there is one and it is steady.
fn tone_power(window: &[Step; WINDOW], index: usize) -> Option<f32> {
    let hz = frequencies().nth(index)?;
    let energy = energy(window, index);
    // A frequency as it should be turns by this much from step to step.
    let turn = TAU * hz * STEP as f32 / RATE_HZ as f32;
    let [first, second, third] = *window;
    let (a, b, c) = (
        tone(&first, index),
        tone(&second, index),
        tone(&third, index),
    );
    let turned = add(mul(b, conj(a)), mul(c, conj(b)));
    let off = angle(mul(turned, unit(-turn)));
    let off_hz = off * RATE_HZ as f32 / (TAU * STEP as f32);
    if off_hz.abs() > hz * OFF {
        return None;
    }
    let back = unit(-turn - off);
    let sum = add(a, add(mul(b, back), mul(c, mul(back, back))));
    let coherent = norm(sum) / WINDOW as f32;
    if coherent < energy * STEADY {
        return None;
    }
    // A step sees less of a tone that is off its frequency.
    let seen = sinc(off / 2.0);
    let amplitude_squared = coherent / WINDOW as f32 * 4.0 / (STEP * STEP) as f32;
    Some(amplitude_squared / 2.0 / (seen * seen))
}

fn tone(step: &Step, index: usize) -> Phasor {
    step.tones.get(index).copied().unwrap_or_default()
}

fn sinc(x: f32) -> f32 {
    if x.abs() < 1e-3 { 1.0 } else { x.sin() / x }
}

fn unit(angle: f32) -> Phasor {
    (angle.cos(), angle.sin())
}

fn conj((re, im): Phasor) -> Phasor {
    (re, -im)
}

fn add(a: Phasor, b: Phasor) -> Phasor {
    (a.0 + b.0, a.1 + b.1)
}

fn mul(a: Phasor, b: Phasor) -> Phasor {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn norm((re, im): Phasor) -> f32 {
    re * re + im * im
}

fn angle((re, im): Phasor) -> f32 {
    im.atan2(re)
}
