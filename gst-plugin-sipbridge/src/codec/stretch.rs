// SPDX-License-Identifier: MPL-2.0
//! Makes speech a little shorter or longer: a period of the voice is left out or said twice, with a
//! soft join (waveform similarity, as in WSOLA).

/// Divisors of the rate: the join lasts 5 ms, a period at least 2.5 ms.
const JOIN: u32 = 200;
const PERIOD_MIN: u32 = 400;

/// Samples are compared at about this rate first.
const COARSE_HZ: u32 = 8_000;

/// How alike both sides of a join must be (1: the same), and where there is no choice.
const ALIKE: f32 = 0.7;
const ALIKE_URGENT: f32 = 0.3;

/// Works at one rate, and keeps what it works with.
#[derive(Debug)]
pub struct Stretch {
    rate_hz: u32,
    joined: Vec<i16>,
}

/// Where to join, and how well.
#[derive(Debug, Clone, Copy)]
struct Period {
    samples: usize,
    alike: f32,
}

impl Stretch {
    /// For mono at this rate.
    pub fn new(rate_hz: u32) -> Stretch {
        Stretch {
            rate_hz,
            joined: Vec::new(),
        }
    }

    /// The rate it works at.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn join(&self) -> usize {
        (self.rate_hz / JOIN) as usize
    }

    /// The samples of a piece this long.
    fn samples(&self, us: u32) -> usize {
        (u64::from(us) * u64::from(self.rate_hz) / 1_000_000) as usize
    }

    /// Takes a piece of at most `most_us` out of the samples from `from` on, where it will not be
    /// heard: `easy`, where they are quiet or there is no choice. Returns how many samples are gone.
    pub fn shorten(&mut self, pcm: &mut Vec<i16>, from: usize, most_us: u32, easy: Easy) -> usize {
        let most = self.samples(most_us);
        let join = self.join();
        let Some(period) = pcm
            .get(from..)
            .and_then(|audio| self.period(audio, most))
            .filter(|period| easy.allows(period.alike))
            .map(|period| period.samples)
        else {
            return 0;
        };
        let Some(audio) = pcm.get_mut(from..) else {
            return 0;
        };
        for at in 0..join {
            if let (Some(a), Some(b)) = (audio.get(at).copied(), audio.get(at + period).copied())
                && let Some(place) = audio.get_mut(at)
            {
                *place = mix(a, b, at, join);
            }
        }
        pcm.drain(from + join..from + join + period);
        period
    }

    /// Says a piece of the samples from `from` on twice. Returns how many samples came in.
    pub fn lengthen(&mut self, pcm: &mut Vec<i16>, from: usize, most_us: u32, easy: Easy) -> usize {
        let most = self.samples(most_us);
        let join = self.join();
        let Some(audio) = pcm.get(from..) else {
            return 0;
        };
        let Some(period) = self
            .period(audio, most)
            .filter(|period| easy.allows(period.alike))
            .map(|period| period.samples)
        else {
            return 0;
        };
        // After a period and the join, all that came after the first join comes again.
        self.joined.clear();
        let both = audio.iter().zip(audio.iter().skip(period)).take(join);
        self.joined.extend(
            both.enumerate()
                .map(|(at, (again, on))| mix(*on, *again, at, join)),
        );
        self.joined.extend(audio.iter().skip(join));
        pcm.truncate(from + period);
        pcm.extend_from_slice(&self.joined);
        period
    }

    /// The distance at which these samples are most like themselves.
    fn period(&self, audio: &[i16], most: usize) -> Option<Period> {
        let join = self.join();
        let least = (self.rate_hz / PERIOD_MIN) as usize;
        let most = most.min(audio.len().checked_sub(join)?);
        if most < least {
            return None;
        }
        let coarse = (self.rate_hz / COARSE_HZ).max(1) as usize;
        let best = |periods: &mut dyn Iterator<Item = usize>, step: usize| {
            periods
                .filter_map(|samples| {
                    let alike = alike(audio, samples, join, step)?;
                    Some(Period { samples, alike })
                })
                .max_by(|a, b| a.alike.total_cmp(&b.alike))
        };
        let found = best(&mut (least..=most).step_by(coarse), coarse)?;
        if coarse == 1 {
            return Some(found);
        }
        let near =
            found.samples.saturating_sub(coarse).max(least)..=(found.samples + coarse).min(most);
        best(&mut near.into_iter(), 1)
    }
}

/// What a join may be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Easy {
    /// It must not be heard.
    No,
    /// It should not, but time presses.
    Urgent,
    /// It is quiet: nothing is heard.
    Quiet,
}

impl Easy {
    fn allows(self, alike: f32) -> bool {
        match self {
            Easy::No => alike >= ALIKE,
            Easy::Urgent => alike >= ALIKE_URGENT,
            Easy::Quiet => true,
        }
    }
}

/// How alike a join's length of samples is to those a period later: 1 the same, 0 not at all.
fn alike(audio: &[i16], period: usize, join: usize, step: usize) -> Option<f32> {
    let here = audio.get(..join)?;
    let there = audio.get(period..period + join)?;
    let (mut product, mut a2, mut b2) = (0.0f32, 1.0f32, 1.0f32);
    for (a, b) in here.iter().zip(there).step_by(step) {
        let (a, b) = (f32::from(*a), f32::from(*b));
        product += a * b;
        a2 += a * a;
        b2 += b * b;
    }
    Some(product / (a2 * b2).sqrt())
}

/// From one to the other, `at` steps of `of`.
fn mix(from: i16, to: i16, at: usize, of: usize) -> i16 {
    let (at, of) = (at as i32 + 1, of as i32 + 1);
    ((i32::from(from) * (of - at) + i32::from(to) * at) / of) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, hz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|i| {
                let t = i as f64 / f64::from(rate_hz);
                (f64::sin(t * hz * std::f64::consts::TAU) * 8_000.0) as i16
            })
            .collect()
    }

    /// The greatest step from one sample to the next.
    fn roughness(pcm: &[i16]) -> i32 {
        let steps = pcm
            .windows(2)
            .map(|w| (i32::from(w[1]) - i32::from(w[0])).abs());
        steps.max().unwrap()
    }

    #[test]
    fn a_voice_loses_and_gains_whole_periods_without_a_click() {
        for rate_hz in [8_000, 16_000, 48_000] {
            let mut stretch = Stretch::new(rate_hz);
            let hz = 160.0;
            let frame = rate_hz as usize / 50;
            let said = tone(rate_hz, hz, frame * 2);
            let smooth = roughness(&said) + 40;
            let period = f64::from(rate_hz) / hz;

            let mut shorter = said.clone();
            let gone = stretch.shorten(&mut shorter, frame, 15_000, Easy::No);
            assert_eq!(shorter.len(), said.len() - gone);
            assert!((gone as f64 % period).min(period - gone as f64 % period) < period / 20.0);
            assert!(gone > 0 && roughness(&shorter) <= smooth);
            assert_eq!(shorter[..frame], said[..frame]);

            let mut longer = said.clone();
            let came = stretch.lengthen(&mut longer, frame, 15_000, Easy::No);
            assert_eq!(longer.len(), said.len() + came);
            assert!(came > 0 && roughness(&longer) <= smooth);
            assert_eq!(longer[longer.len() - 20..], said[said.len() - 20..]);
        }
    }

    #[test]
    fn the_piece_is_no_longer_than_asked_for() {
        let mut stretch = Stretch::new(8_000);
        let said = tone(8_000, 400.0, 160);
        for most_us in [2_500, 5_000, 12_000] {
            let gone = stretch.shorten(&mut said.clone(), 0, most_us, Easy::Quiet);
            assert!(gone > 0 && gone <= most_us as usize * 8 / 1_000, "{gone}");
        }
        assert_eq!(stretch.shorten(&mut said.clone(), 0, 1_000, Easy::Quiet), 0);
        assert_eq!(
            stretch.shorten(&mut said.clone(), 140, 9_000, Easy::Quiet),
            0
        );
        assert_eq!(stretch.lengthen(&mut Vec::new(), 0, 9_000, Easy::Quiet), 0);
    }

    #[test]
    fn what_is_not_like_itself_is_left_alone() {
        let mut random = 1u32;
        let noise: Vec<i16> = (0..160)
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 16) as i16 / 4
            })
            .collect();
        let mut stretch = Stretch::new(8_000);
        assert_eq!(stretch.shorten(&mut noise.clone(), 0, 15_000, Easy::No), 0);
        assert!(stretch.shorten(&mut noise.clone(), 0, 15_000, Easy::Quiet) > 0);
    }
}
