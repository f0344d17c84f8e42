// SPDX-License-Identifier: MPL-2.0
//! Resampling and band limiting in one step: the spectrum of the whole recording is cut to the band
//! and transformed back at the other rate. Exact, without delay, and fast enough for minutes of audio.

use super::wave::Wave;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// The rate at which recordings are compared: four times the band's upper edge, so that half a sample of
/// misalignment costs nothing.
pub(crate) const RATE_HZ: u32 = 16_000;

/// The telephone's band.
const LOW_HZ: f32 = 300.0;
const HIGH_HZ: f32 = 3_400.0;
/// Half the width of the raised-cosine edges.
const EDGE_HZ: f32 = 60.0;

/// The recording at [`RATE_HZ`], full scale being 1.0, limited to the telephone's band.
pub(crate) fn telephone_band(wave: &Wave) -> Vec<f32> {
    convert(&wave.samples, wave.rate_hz, RATE_HZ, |hz| {
        edge(hz - LOW_HZ) * edge(HIGH_HZ - hz)
    })
}

pub(crate) fn resample(samples: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    // Room for the transition below the lower Nyquist frequency.
    let top = from_hz.min(to_hz) as f32 * 0.48;
    let scaled = convert(samples, from_hz, to_hz, |hz| edge(top - hz));
    scaled
        .into_iter()
        .map(|s| (s * 32_768.0).round() as i16)
        .collect()
}

/// 0 well below nought, 1 well above, a half at nought.
fn edge(distance_hz: f32) -> f32 {
    let x = (distance_hz / EDGE_HZ).clamp(-1.0, 1.0);
    0.5 + 0.5 * (x * std::f32::consts::FRAC_PI_2).sin()
}

fn convert(samples: &[i16], from_hz: u32, to_hz: u32, gain: impl Fn(f32) -> f32) -> Vec<f32> {
    let (from, to) = (from_hz as usize, to_hz as usize);
    if samples.is_empty() || from == 0 || to == 0 {
        return Vec::new();
    }
    // Whole seconds, so that both rates divide the length; one of them silent, so that nothing wraps round.
    let seconds = samples.len().div_ceil(from) + 1;
    let length = samples.len() * to / from;

    let mut planner = RealFftPlanner::<f32>::new();
    let forward = planner.plan_fft_forward(seconds * from);
    let backward = planner.plan_fft_inverse(seconds * to);
    let mut time: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
    time.resize(seconds * from, 0.0);
    let mut spectrum = forward.make_output_vec();
    if forward.process(&mut time, &mut spectrum).is_err() {
        return Vec::new();
    }
    spectrum.resize(seconds * to / 2 + 1, Complex::default());
    let bin_hz = 1.0 / seconds as f32;
    for (bin, value) in spectrum.iter_mut().enumerate() {
        *value *= gain(bin as f32 * bin_hz);
    }
    clear_imaginary_ends(&mut spectrum);
    let mut out = backward.make_output_vec();
    if backward.process(&mut spectrum, &mut out).is_err() {
        return Vec::new();
    }
    let scale = 1.0 / (seconds * from) as f32;
    out.truncate(length);
    out.iter_mut().for_each(|s| *s *= scale);
    out
}

/// The inverse transform to real numbers insists that the first and the last bin are real.
pub(crate) fn clear_imaginary_ends(spectrum: &mut [Complex<f32>]) {
    if let Some(first) = spectrum.first_mut() {
        first.im = 0.0;
    }
    if let Some(last) = spectrum.last_mut() {
        last.im = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, hz: f32) -> Wave {
        let samples = (0..rate_hz)
            .map(|n| {
                ((n as f32 * hz * std::f32::consts::TAU / rate_hz as f32).sin() * 10_000.0) as i16
            })
            .collect();
        Wave { rate_hz, samples }
    }

    fn rms(samples: &[f32]) -> f32 {
        (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn a_tone_in_the_band_keeps_level_and_phase_across_rates() {
        let low = telephone_band(&tone(8_000, 1_000.0));
        let high = telephone_band(&tone(48_000, 1_000.0));
        assert_eq!((low.len(), high.len()), (16_000, 16_000));
        let difference: Vec<f32> = low.iter().zip(&high).map(|(a, b)| a - b).collect();
        assert!(rms(&difference[400..15_600]) < 0.01 * rms(&low));
        assert!((rms(&high) / (10_000.0 / 32_768.0 / 2f32.sqrt()) - 1.0).abs() < 0.02);
    }

    #[test]
    fn tones_outside_the_band_vanish() {
        assert!(rms(&telephone_band(&tone(48_000, 100.0))) < 0.005);
        assert!(rms(&telephone_band(&tone(48_000, 6_000.0))) < 0.005);
    }

    #[test]
    fn nothing_stays_nothing() {
        assert!(
            telephone_band(&Wave {
                rate_hz: 8_000,
                samples: Vec::new()
            })
            .is_empty()
        );
    }
}
