// SPDX-License-Identifier: MPL-2.0
//! A media thread that stood still for long leaves a delay, which is given back where it is quiet: not at
//! the cost of keys pressed meanwhile, which nobody else hears, nor of the word that ends a pause.

use super::wired::*;
use super::*;
use crate::leg::tests::line::Line;

/// Longer than what is made up for.
const STANDSTILL: Duration = Duration::from_millis(100);

#[test]
fn keys_are_as_long_as_they_were_held() {
    const KEYS: &str = "0123456789*#ABCD";
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut wired = Wired::new(Setup::new(Line::clean(), codec));
        wired.listen();
        wired.say(Duration::from_secs(2), voice);
        wired.press(KEYS, 100);
        for _ in 0..4 {
            wired.wait(Duration::from_millis(530));
            wired.hold_up(STANDSTILL);
        }
        wired.wait(Duration::from_secs(2));
        let presses = wired.presses();
        let digits: String = presses.iter().map(|press| press.digit).collect();
        assert_eq!(digits, KEYS, "{codec}");
        for press in presses {
            let ms = press.duration_ms;
            assert!(ms.abs_diff(100) <= 8, "{codec}: {} {ms} ms", press.digit);
        }
    }
}

/// 100 ms of noise, which is nowhere like itself, and 400 ms of nothing.
const WORD: usize = 800;
const PAUSE: usize = 3_200;

fn words(sample: u32) -> i16 {
    if sample as usize % (WORD + PAUSE) >= WORD {
        return 0;
    }
    let random = sample.wrapping_mul(2_654_435_761);
    let random = (random ^ random >> 15).wrapping_mul(2_246_822_519);
    (random >> 16) as i16 / 2
}

/// The lengths of words in samples, a hole in one included.
fn lengths(pcm: &[i16]) -> Vec<usize> {
    let loud = pcm.iter().enumerate().filter(|(_, s)| s.abs() > 1_000);
    let mut words: Vec<(usize, usize)> = Vec::new();
    for (at, _) in loud {
        match words.last_mut() {
            Some((_, end)) if at - *end < PAUSE / 2 => *end = at,
            _ => words.push((at, at)),
        }
    }
    words.iter().map(|(begin, end)| end - begin + 1).collect()
}

#[test]
fn words_keep_their_beginning() {
    // A word's first packet is the next to be played in one of them.
    for before_ms in (3_000..3_500).step_by(5) {
        let mut wired = Wired::new(Setup::new(Line::clean(), Codec::Pcmu));
        wired.say(Duration::from_millis(before_ms), words);
        wired.hold_up(STANDSTILL);
        wired.say(Duration::from_secs(3), words);
        // The first comes while the line is got to know, and the last is not at its end yet.
        let lengths = lengths(&wired.heard());
        let whole = lengths.get(1..lengths.len() - 1).unwrap();
        assert!(whole.len() >= 9, "{before_ms}: {lengths:?}");
        for length in whole {
            assert!(length + 16 >= WORD, "{before_ms}: {length} of {WORD}");
        }
    }
}
