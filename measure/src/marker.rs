// SPDX-License-Identifier: MPL-2.0
//! A sound that exists only in this run.

use super::matching::compare;
use super::wave::Wave;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;

const CHIRPS: usize = 10;
const CHIRP: Duration = Duration::from_millis(80);
/// Within what every codec here carries well.
const LOWEST_HZ: f64 = 450.0;
const HIGHEST_HZ: f64 = 2_900.0;
const AMPLITUDE: f64 = 6_000.0;
/// A marker that came through G.711 or Opus stays above 0.9; another one stays below 0.5.
const LEAST: f32 = 0.7;

/// Ten sweeps of 80 ms whose frequencies a seed decides. Played in front of speech it proves that a recording
/// is of this run, and of this direction.
#[derive(Clone, Debug)]
pub struct Marker {
    /// From and to, in Hz.
    sweeps: Vec<(f64, f64)>,
}

/// A marker in a recording.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Found {
    /// Where in the recording it begins.
    pub at: Duration,
    /// How much it resembles the marker; 1 is a copy.
    pub correlation: f32,
}

impl Marker {
    pub fn new(seed: u64) -> Marker {
        let mut random = StdRng::seed_from_u64(seed);
        let mut hz = || random.random_range(LOWEST_HZ..HIGHEST_HZ);
        let sweeps = (0..CHIRPS).map(|_| (hz(), hz())).collect();
        Marker { sweeps }
    }

    pub fn random() -> Marker {
        Marker::new(rand::random())
    }

    pub const fn duration() -> Duration {
        Duration::from_millis(CHIRPS as u64 * CHIRP.as_millis() as u64)
    }

    pub fn wave(&self, rate_hz: u32) -> Wave {
        let length = (CHIRP.as_secs_f64() * f64::from(rate_hz)) as usize;
        let mut samples = Vec::with_capacity(length * CHIRPS);
        for (from, to) in &self.sweeps {
            for n in 0..length {
                let t = n as f64 / f64::from(rate_hz);
                let turns = from * t + (to - from) * t * t / (2.0 * CHIRP.as_secs_f64());
                // Soft edges keep codecs from smearing one sweep into the next.
                let ramp = (n.min(length - n) as f64 / (0.005 * f64::from(rate_hz))).min(1.0);
                samples.push(((turns * std::f64::consts::TAU).sin() * AMPLITUDE * ramp) as i16);
            }
        }
        Wave { rate_hz, samples }
    }

    /// The marker, a short pause, and `speech`, at the rate of `speech`.
    pub fn before(&self, speech: &Wave) -> Wave {
        let mut wave = self.wave(speech.rate_hz);
        wave.push(&Wave::silence(speech.rate_hz, Duration::from_millis(200)));
        wave.push(speech);
        wave
    }

    pub fn find(&self, heard: &Wave) -> Option<Found> {
        let found = compare(&self.wave(heard.rate_hz.max(8_000)), heard);
        if found.correlation < LEAST {
            return None;
        }
        let at = Duration::try_from_secs_f64(found.delay_ms? / 1_000.0).unwrap_or_default();
        Some(Found {
            at,
            correlation: found.correlation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn it_is_found_where_it_is() {
        let marker = Marker::new(7);
        let mut heard = Wave::silence(8_000, Duration::from_millis(1_234));
        heard.push(&marker.before(&testing::phone()));
        let found = marker.find(&testing::through_g711(&heard)).unwrap();
        assert!(
            found.at.abs_diff(Duration::from_millis(1_234)) < Duration::from_millis(1),
            "{found:?}"
        );
        assert!(found.correlation > 0.9, "{found:?}");
    }

    #[test]
    fn a_step_of_the_jitter_buffer_does_not_hide_it() {
        let marker = Marker::new(8);
        let wave = marker.before(&testing::phone());
        let mut heard = wave.slice(Duration::ZERO, Duration::from_millis(400));
        heard.push(&Wave::silence(wave.rate_hz, Duration::from_millis(40)));
        heard.push(&wave.slice(Duration::from_millis(400), wave.duration()));
        assert!(marker.find(&heard).is_some());
    }

    #[test]
    fn markers_of_other_runs_speech_and_silence_are_not_taken_for_it() {
        let marker = Marker::new(0);
        for seed in 1..40 {
            let other = Marker::new(seed).before(&testing::room());
            let found = compare(&marker.wave(16_000), &other);
            assert!(found.correlation < LEAST - 0.1, "seed {seed}: {found:?}");
            assert!(marker.find(&other).is_none());
        }
        assert!(
            marker
                .find(&Wave::silence(8_000, Duration::from_secs(3)))
                .is_none()
        );
        assert!(marker.find(&Wave::silence(8_000, Duration::ZERO)).is_none());
    }
}
