// SPDX-License-Identifier: MPL-2.0
//! Nothing came in for a while, so silence went out; then somebody speaks, and is clear from the first word on.

use std::f64::consts::TAU;

use super::wired::*;
use super::*;
use crate::leg::tests::line::Line;

const HZ: f64 = 700.0;

fn sine(sample: u32) -> i16 {
    (8_000.0 * (TAU * HZ * f64::from(sample) / 8_000.0).sin()) as i16
}

/// How much of what is heard is that sine.
fn purity(pcm: &[i16]) -> f64 {
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (at, sample) in pcm.iter().enumerate() {
        let (turn, sample) = (TAU * HZ * at as f64 / 8_000.0, f64::from(*sample));
        re += sample * turn.cos();
        im += sample * turn.sin();
        power += sample * sample;
    }
    2.0 * (re * re + im * im) / pcm.len() as f64 / power.max(1.0)
}

#[test]
fn in_every_codec() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16] {
        let mut wired = Wired::new(Setup::new(Line::clean(), codec));
        wired.wait(Duration::from_millis(500));
        wired.heard();
        wired.say(Duration::from_millis(300), sine);
        wired.wait(Duration::from_millis(100));
        let heard = wired.heard();
        let begins = heard
            .iter()
            .position(|sample| sample.abs() > 2_000)
            .unwrap();
        // After the swing of the filters.
        let words = &heard[begins + 40..begins + 1_600];
        for (number, piece) in words.chunks_exact(160).enumerate() {
            let pure = purity(piece);
            assert!(
                pure > 0.97,
                "{codec}, {} ms after the first word: {pure}",
                20 * number
            );
        }
    }
}
