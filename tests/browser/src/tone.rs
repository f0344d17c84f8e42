// SPDX-License-Identifier: MPL-2.0
//! Tones in what was heard.

/// How much of a wave is this tone: 1.0 is all of it.
pub fn share_of(tone_hz: f64, samples: &[i16], rate_hz: u32) -> f64 {
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * tone_hz * n as f64 / f64::from(rate_hz);
        let sample = f64::from(*sample);
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        power += sample * sample;
    }
    2.0 * (real * real + imaginary * imaginary) / (samples.len().max(1) as f64 * power.max(1.0))
}
