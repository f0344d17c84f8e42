// SPDX-License-Identifier: MPL-2.0
//! Comfort noise (RFC 3389): what the background sounds like in a few bytes, and noise that sounds
//! like it.
//!
//! Reflection coefficients are those of the prediction-error filter A(z) = 1 + k₁z⁻¹ for order one:
//! noise with more low than high tones has a negative first one.

/// The most coefficients that are read and written; RFC 3389 sets no limit, and telephones send ten
/// at most.
const ORDER_MAX: usize = 10;

/// As many as describe a background well enough.
const ORDER: usize = 8;

/// The step of a coefficient (RFC 3389 section 3.2).
const STEP: f32 = 258.0 / 32_768.0;
const MIDDLE: i16 = 127;

/// The quietest level there is to say.
const LEVEL_MAX: u8 = 127;

/// The weight of a new frame in what is known of the background.
const FRESH: f32 = 0.2;

/// A background: its level, and its colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Below the loudest there can be, in dB.
    level_db: u8,
    order: usize,
    reflections: [f32; ORDER_MAX],
}

impl Noise {
    /// White noise, this many dB below the loudest there can be.
    pub fn white(level_db: u8) -> Noise {
        Noise {
            level_db: level_db.min(LEVEL_MAX),
            order: 0,
            reflections: [0.0; ORDER_MAX],
        }
    }

    /// Reads a payload. Coefficients beyond what is kept only refine.
    pub fn parse(payload: &[u8]) -> Option<Noise> {
        let (level, coefficients) = payload.split_first()?;
        let mut noise = Noise::white(level & 0x7f);
        for (place, coefficient) in noise.reflections.iter_mut().zip(coefficients) {
            *place = f32::from(i16::from(*coefficient) - MIDDLE) * STEP;
            // At one the filter would ring for ever.
            *place = place.clamp(-0.99, 0.99);
            noise.order += 1;
        }
        Some(noise)
    }

    /// Writes a payload.
    pub fn write(&self, payload: &mut Vec<u8>) {
        payload.clear();
        payload.push(self.level_db);
        payload.extend(self.reflections.iter().take(self.order).map(|reflection| {
            (reflection / STEP + f32::from(MIDDLE))
                .round()
                .clamp(0.0, 254.0) as u8
        }));
    }

    /// How many dB below the loudest there can be.
    pub fn level_db(&self) -> u8 {
        self.level_db
    }

    /// The same colour, no louder than this.
    #[must_use]
    pub fn at_most(self, level_db: u8) -> Noise {
        Noise {
            level_db: self.level_db.max(level_db),
            ..self
        }
    }
}

/// Listens to pauses, and knows what the background is like.
#[derive(Debug, Default)]
pub struct Background {
    /// Autocorrelation of a sample's worth, smoothed.
    correlation: [f32; ORDER + 1],
    known: bool,
}

impl Background {
    /// A frame in which nobody speaks.
    pub fn listen(&mut self, pcm: &[i16]) {
        if pcm.len() <= ORDER {
            return;
        }
        let weight = if self.known { FRESH } else { 1.0 };
        self.known = true;
        for (lag, kept) in self.correlation.iter_mut().enumerate() {
            let sum: f32 = pcm
                .iter()
                .zip(pcm.iter().skip(lag))
                .map(|(a, b)| f32::from(*a) * f32::from(*b))
                .sum();
            *kept += (sum / pcm.len() as f32 - *kept) * weight;
        }
    }

    /// What it is like; `None` before the first pause.
    pub fn noise(&self) -> Option<Noise> {
        if !self.known {
            return None;
        }
        let [power, ..] = self.correlation;
        let level = -20.0 * (power.max(0.0).sqrt() / 32_768.0).max(1e-7).log10();
        let mut noise = Noise::white(level.round().clamp(0.0, f32::from(LEVEL_MAX)) as u8);
        // A little white noise keeps the recursion from dividing by nothing.
        let mut error = power * 1.001 + 1.0;
        let mut filter = [0.0f32; ORDER + 1];
        if let Some(first) = filter.first_mut() {
            *first = 1.0;
        }
        // Levinson and Durbin's recursion.
        for step in 1..=ORDER {
            let sum: f32 = (0..step)
                .filter_map(|tap| Some(filter.get(tap)? * self.correlation.get(step - tap)?))
                .sum();
            let reflection = (-sum / error).clamp(-0.99, 0.99);
            let before = filter;
            for (tap, place) in filter.iter_mut().enumerate().take(step + 1).skip(1) {
                *place += reflection * before.get(step - tap).copied().unwrap_or_default();
            }
            error *= 1.0 - reflection * reflection;
            if let Some(place) = noise.reflections.get_mut(step - 1) {
                *place = reflection;
            }
        }
        noise.order = ORDER;
        Some(noise)
    }
}

/// Makes noise: white through the lattice filter of the background.
#[derive(Debug)]
pub struct NoiseMaker {
    random: u32,
    backward: [f32; ORDER_MAX + 1],
}

impl NoiseMaker {
    /// The same seed makes the same noise.
    pub fn new(seed: u32) -> NoiseMaker {
        NoiseMaker {
            random: seed,
            backward: [0.0; ORDER_MAX + 1],
        }
    }

    /// Appends so many samples.
    pub fn make(&mut self, noise: &Noise, samples: usize, pcm: &mut Vec<i16>) {
        let kept: f32 = noise.reflections.iter().map(|k| 1.0 - k * k).product();
        let level = 32_768.0 * 10f32.powf(-f32::from(noise.level_db) / 20.0);
        let gain = level * kept.max(0.0).sqrt();
        for _ in 0..samples {
            let mut forward = self.white() * gain;
            for index in (0..noise.order).rev() {
                let (Some(reflection), Some(below)) = (
                    noise.reflections.get(index).copied(),
                    self.backward.get(index).copied(),
                ) else {
                    continue;
                };
                forward -= reflection * below;
                if let Some(above) = self.backward.get_mut(index + 1) {
                    *above = below + reflection * forward;
                }
            }
            if let Some(first) = self.backward.first_mut() {
                *first = forward;
            }
            pcm.push(forward.clamp(-32_768.0, 32_767.0) as i16);
        }
    }

    /// Evenly distributed, of power one.
    fn white(&mut self) -> f32 {
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let even = (self.random >> 8) as f32 / (1u32 << 24) as f32;
        (even - 0.5) * 12f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(pcm: &[i16]) -> f32 {
        let power: f32 = pcm.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / pcm.len() as f32;
        -20.0 * (power.sqrt() / 32_768.0).log10()
    }

    /// How alike neighbours are: near one for a rumble, below zero for a hiss.
    fn tilt(pcm: &[i16]) -> f32 {
        let product = |lag: usize| -> f32 {
            let pairs = pcm.iter().zip(&pcm[lag..]);
            pairs.map(|(a, b)| f32::from(*a) * f32::from(*b)).sum()
        };
        product(1) / product(0)
    }

    #[test]
    fn a_background_comes_through_its_few_bytes() {
        for (reflection, level_db) in [(-0.8, 45), (0.0, 60), (0.6, 30)] {
            let said = Noise {
                level_db,
                order: 1,
                reflections: {
                    let mut reflections = [0.0; ORDER_MAX];
                    reflections[0] = reflection;
                    reflections
                },
            };
            let mut here = Vec::new();
            NoiseMaker::new(1).make(&said, 16_000, &mut here);
            assert!((level(&here) - f32::from(level_db)).abs() < 1.5);
            let mut background = Background::default();
            for frame in here.chunks(160) {
                background.listen(frame);
            }
            let mut payload = Vec::new();
            background.noise().unwrap().write(&mut payload);
            assert_eq!(payload.len(), 1 + ORDER);
            let mut there = Vec::new();
            let noise = Noise::parse(&payload).unwrap();
            NoiseMaker::new(7).make(&noise, 16_000, &mut there);
            let (here_db, there_db) = (level(&here), level(&there));
            assert!((here_db - there_db).abs() < 3.0, "{here_db} {there_db}");
            let (here, there) = (tilt(&here), tilt(&there));
            assert!((here - there).abs() < 0.2, "{here} {there}");
        }
    }

    #[test]
    fn whatever_bytes_come_the_noise_stays_noise() {
        for byte in 0..=255u8 {
            let payload = [20, byte, !byte, byte, 0, 254, 255, byte, 1, 2, 3, 4, 5, 6];
            for length in 1..payload.len() {
                let noise = Noise::parse(&payload[..length]).unwrap();
                let mut pcm = Vec::new();
                NoiseMaker::new(3).make(&noise, 800, &mut pcm);
                assert_eq!(pcm.len(), 800);
            }
        }
        assert_eq!(Noise::parse(&[]), None);
        let quiet = Noise::parse(&[127]).unwrap();
        let mut pcm = Vec::new();
        NoiseMaker::new(3).make(&quiet, 800, &mut pcm);
        assert!(pcm.iter().all(|sample| *sample == 0));
    }

    #[test]
    fn silence_is_as_quiet_as_can_be_said() {
        let mut background = Background::default();
        assert_eq!(background.noise(), None);
        background.listen(&[0; 160]);
        assert_eq!(background.noise().unwrap().level_db(), LEVEL_MAX);
        assert_eq!(Noise::white(30).at_most(50).level_db(), 50);
        assert_eq!(Noise::white(70).at_most(50).level_db(), 70);
    }
}
