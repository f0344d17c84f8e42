// SPDX-License-Identifier: MPL-2.0
//! Many voices at once are louder than a sample can be: the gain gives way, softly.

/// −0.9 dBFS: up to here a mix is passed on as it is.
const THRESHOLD: f32 = 29_491.0;

/// Full scale.
const CEILING: f32 = 32_767.0;

/// The gain is worked out for every 2.5 ms.
const BLOCKS: usize = 8;

/// How much of the way back to full gain one block goes: a time constant of 150 ms.
const RELEASE: f32 = 1.0 - 0.983_5;

/// Nearer to full gain than this is full gain.
const SNAP: f32 = 0.999;

/// The gain of one mix. Below the threshold samples stay what they are, to the bit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter { gain: 1.0 }
    }
}

impl Limiter {
    /// Whether nobody could hear a change from this gain to the other.
    pub(super) fn is_near(&self, other: &Limiter) -> bool {
        (self.gain - other.gain).abs() < 0.02 * self.gain.min(other.gain)
    }

    /// One frame of 20 ms.
    pub(super) fn frame(&mut self, mix: &[f32], out: &mut [i16]) {
        let loudest = peak(mix);
        if loudest <= THRESHOLD && self.gain >= 1.0 {
            for (out, sample) in out.iter_mut().zip(mix) {
                *out = sample.round() as i16;
            }
            return;
        }
        let length = mix.len().div_ceil(BLOCKS).max(1);
        for (index, (out, block)) in out.chunks_mut(length).zip(mix.chunks(length)).enumerate() {
            // The gain falls before the loud block, where that is known already.
            let ahead = mix.get((index + 1) * length..).unwrap_or_default();
            let ahead = ahead.get(..length).unwrap_or(ahead);
            let loudest = peak(block).max(peak(ahead));
            let wanted = if loudest > THRESHOLD {
                THRESHOLD / loudest
            } else {
                1.0
            };
            let next = if wanted < self.gain {
                wanted
            } else {
                let gain = self.gain + (wanted - self.gain) * RELEASE;
                if gain > SNAP { 1.0 } else { gain }
            };
            // Down fast, for it is late already; up slowly.
            let ramp = if next < self.gain {
                block.len().div_ceil(4)
            } else {
                block.len()
            };
            let step = (next - self.gain) / ramp as f32;
            for (position, (out, sample)) in out.iter_mut().zip(block).enumerate() {
                let gain = self.gain + step * (position + 1).min(ramp) as f32;
                *out = knee(sample * gain).round() as i16;
            }
            self.gain = next;
        }
    }
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, s| f32::max(peak, s.abs()))
}

/// What the gain could not foresee bends instead of breaking.
fn knee(sample: f32) -> f32 {
    let over = sample.abs() - THRESHOLD;
    if over <= 0.0 {
        return sample;
    }
    let room = CEILING - THRESHOLD;
    (THRESHOLD + room * (over / room).tanh()).copysign(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 160;

    fn tone(amplitude: f32, frame: usize) -> Vec<f32> {
        (0..FRAME)
            .map(|i| {
                let t = (frame * FRAME + i) as f32 / 8_000.0;
                ((t * 440.0 * std::f32::consts::TAU).sin() * amplitude).round()
            })
            .collect()
    }

    #[test]
    fn what_is_not_too_loud_is_not_touched() {
        let mut limiter = Limiter::default();
        for frame in 0..10 {
            let mix = tone(29_000.0, frame);
            let mut out = vec![0; FRAME];
            limiter.frame(&mix, &mut out);
            assert!(mix.iter().zip(&out).all(|(a, b)| *a == f32::from(*b)));
        }
    }

    #[test]
    fn a_loud_mix_becomes_a_quieter_one_of_the_same_shape() {
        let mut limiter = Limiter::default();
        let mut out = vec![0; FRAME];
        for frame in 0..50 {
            let mix = tone(200_000.0, frame);
            limiter.frame(&mix, &mut out);
            if frame < 5 {
                continue;
            }
            // One gain for all: no harmonics, no flat tops.
            let gain = 29_491.0 / 200_000.0;
            for (mix, out) in mix.iter().zip(&out) {
                let off = (mix * gain - f32::from(*out)).abs();
                assert!(off < 800.0, "frame {frame}: {off}");
            }
        }
    }

    #[test]
    fn no_click_comes_of_it_and_the_level_comes_back() {
        let mut limiter = Limiter::default();
        let mut heard = Vec::new();
        for frame in 0..150 {
            let loud = if (20..30).contains(&frame) {
                100_000.0
            } else {
                0.0
            };
            let mut mix = tone(20_000.0, frame);
            // More voices, which set in over 5 ms.
            for (i, (mix, more)) in mix.iter_mut().zip(tone(loud, frame)).enumerate() {
                *mix += if frame == 20 {
                    more * (i as f32 / 40.0).min(1.0)
                } else {
                    more
                };
            }
            let mut out = vec![0; FRAME];
            limiter.frame(&mix, &mut out);
            heard.extend(out);
        }
        // A tone of 440 Hz at full scale moves by 11,300 from sample to sample.
        let steepest = heard
            .windows(2)
            .map(|w| (i32::from(w[1]) - i32::from(w[0])).abs())
            .max();
        assert!(steepest < Some(20_000), "{steepest:?}");
        assert_eq!(limiter.gain, 1.0);
        let last = tone(20_000.0, 149);
        assert!(
            last.iter()
                .zip(&heard[149 * FRAME..])
                .all(|(a, b)| *a == f32::from(*b))
        );
    }

    #[test]
    fn two_that_hear_the_same_come_to_the_same_gain() {
        let [mut loud, mut fresh] = [Limiter { gain: 0.1 }, Limiter::default()];
        let mut out = vec![0; FRAME];
        for frame in 0..50 {
            loud.frame(&tone(60_000.0, frame), &mut out);
            fresh.frame(&tone(60_000.0, frame), &mut out);
        }
        assert!(loud.is_near(&fresh), "{loud:?} {fresh:?}");
    }
}
