// SPDX-License-Identifier: MPL-2.0
//! Tones are found as Q.24 asks, at every rate and through every codec, and nothing else is.

use std::f64::consts::TAU;

use sip_ua::sdp::Codec;

use super::*;
use crate::codec::{Decoder, Encoder, OpusSettings};

const KEYS: &str = "0123456789*#ABCD";

/// A line of one's own making, at 8 kHz.
#[derive(Default)]
struct Line {
    pcm: Vec<i16>,
    seed: u32,
}

/// How a key is played.
#[derive(Clone, Copy)]
struct Play {
    ms: u32,
    low_dbm0: f64,
    high_dbm0: f64,
    low_off: f64,
    high_off: f64,
}

impl Default for Play {
    fn default() -> Play {
        Play {
            ms: 100,
            low_dbm0: -10.0,
            high_dbm0: -8.0,
            low_off: 0.0,
            high_off: 0.0,
        }
    }
}

impl Line {
    fn silence(&mut self, ms: u32) -> &mut Line {
        self.pcm.resize(self.pcm.len() + ms as usize * 8, 0);
        self
    }

    fn key(&mut self, key: char, play: Play) -> &mut Line {
        let (low, high) = pair(key).unwrap();
        let peak = |dbm0: f64| (2.0 * MILLIWATT * 10f64.powf(dbm0 / 10.0)).sqrt();
        for at in 0..play.ms * 8 {
            let t = f64::from(at) / 8_000.0;
            let sine =
                |hz: f64, off: f64, dbm0: f64| peak(dbm0) * (TAU * hz * (1.0 + off) * t).sin();
            let sample =
                sine(low, play.low_off, play.low_dbm0) + sine(high, play.high_off, play.high_dbm0);
            self.pcm.push(sample as i16);
        }
        self
    }

    /// Adds white noise of this level to all of it.
    fn noise(&mut self, dbm0: f64) -> &mut Line {
        let peak = (3.0 * MILLIWATT * 10f64.powf(dbm0 / 10.0)).sqrt();
        for sample in &mut self.pcm {
            self.seed = self
                .seed
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            let random = f64::from(self.seed >> 8) / f64::from(1 << 23) - 1.0;
            *sample = sample.saturating_add((random * peak) as i16);
        }
        self
    }

    fn presses(&self) -> Vec<Press> {
        presses(8_000, &self.pcm)
    }

    fn digits(&self) -> String {
        self.presses().iter().map(|press| press.digit).collect()
    }
}

fn presses(rate_hz: u32, pcm: &[i16]) -> Vec<Press> {
    let mut listener = Listener::default();
    for frame in pcm.chunks(rate_hz as usize / 50) {
        listener.hear(rate_hz, frame);
    }
    std::iter::from_fn(|| listener.poll()).collect()
}

fn near(found: u32, wanted: u32, within: u32) -> bool {
    found.abs_diff(wanted) <= within
}

#[test]
fn every_key_is_found_once_with_its_length_wherever_it_begins() {
    for offset in 0..16 {
        for ms in [40, 55, 80, 160, 1_000] {
            let mut line = Line::default();
            line.silence(60);
            for key in KEYS.chars() {
                line.key(
                    key,
                    Play {
                        ms,
                        ..Play::default()
                    },
                );
                line.silence(45);
                line.pcm.extend(std::iter::repeat_n(0, offset * 5));
            }
            line.silence(100);
            assert_eq!(line.digits(), KEYS, "{ms} ms");
            for press in line.presses() {
                assert!(near(press.duration_ms, ms, 8), "{press:?}, not {ms}");
            }
        }
    }
}

#[test]
fn what_is_sung_is_found_at_every_rate() {
    for rate_hz in [8_000, 16_000, 48_000] {
        let mut singer = Singer::default();
        singer.queue(KEYS, 70).unwrap();
        singer.queue("55", 200).unwrap();
        let mut pcm = Vec::new();
        while !singer.is_idle() {
            let from = pcm.len();
            pcm.resize(from + rate_hz as usize / 50, 0);
            singer.sing(rate_hz, &mut pcm[from..]);
        }
        pcm.resize(pcm.len() + rate_hz as usize / 10, 0);
        assert_eq!(singer.sung(), 18);
        let found = presses(rate_hz, &pcm);
        let digits: String = found.iter().map(|press| press.digit).collect();
        assert_eq!(digits, format!("{KEYS}55"), "{rate_hz} Hz");
        for (nth, press) in found.iter().enumerate() {
            let wanted = if nth < 16 { 70 } else { 200 };
            assert!(near(press.duration_ms, wanted, 8), "{press:?}");
        }
    }
}

#[test]
fn tones_come_through_every_codec() {
    gst::init().unwrap();
    for codec in [
        Codec::Pcmu,
        Codec::Pcma,
        Codec::G722,
        Codec::L16,
        Codec::Opus,
    ] {
        let rate_hz = codec.audio_rate();
        let mut encoder = Encoder::new(codec, rate_hz, OpusSettings::default()).unwrap();
        let mut decoder = Decoder::new(codec, rate_hz).unwrap();
        let mut singer = Singer::default();
        singer.queue(KEYS, 80).unwrap();
        let (mut frame, mut payload) = (vec![0; rate_hz as usize / 50], Vec::new());
        let mut pcm = Vec::new();
        for _ in 0..160 {
            singer.sing(rate_hz, &mut frame);
            encoder.encode(&frame, &mut payload);
            decoder.decode(&payload, &mut pcm);
        }
        let found = presses(rate_hz, &pcm);
        let digits: String = found.iter().map(|press| press.digit).collect();
        assert_eq!(digits, KEYS, "{codec:?}");
        for press in found {
            assert!(near(press.duration_ms, 80, 12), "{codec:?}: {press:?}");
        }
    }
}

#[test]
fn tones_are_taken_off_their_frequency_as_far_as_they_may_be() {
    for key in KEYS.chars() {
        for (low_off, high_off) in [(0.015, -0.015), (-0.017, 0.015), (0.017, 0.016)] {
            let play = Play {
                ms: 50,
                low_off,
                high_off,
                ..Play::default()
            };
            let mut line = Line::default();
            line.silence(30).key(key, play).silence(60);
            assert_eq!(line.digits(), key.to_string(), "{low_off} {high_off}");
        }
        for (low_off, high_off) in [(0.035, 0.0), (0.0, -0.035), (-0.035, 0.035)] {
            let play = Play {
                low_off,
                high_off,
                ..Play::default()
            };
            let mut line = Line::default();
            line.silence(30).key(key, play).silence(60);
            assert_eq!(line.digits(), "", "{key}: {low_off} {high_off}");
        }
    }
}

#[test]
fn weak_uneven_and_noisy_tones_are_taken() {
    for (low_dbm0, high_dbm0) in [(-29.0, -29.0), (-6.0, -14.0), (-14.0, -10.0), (-3.0, -3.0)] {
        let play = Play {
            ms: 60,
            low_dbm0,
            high_dbm0,
            ..Play::default()
        };
        let mut line = Line::default();
        line.silence(30);
        for key in KEYS.chars() {
            line.key(key, play).silence(60);
        }
        // A signal 15 dB above the noise.
        line.noise(low_dbm0.min(high_dbm0) - 15.0);
        assert_eq!(line.digits(), KEYS, "{low_dbm0} {high_dbm0}");
    }
}

#[test]
fn what_is_too_short_too_weak_or_one_tone_is_left() {
    let short = Play {
        ms: 22,
        ..Play::default()
    };
    let weak = Play {
        low_dbm0: -50.0,
        high_dbm0: -50.0,
        ..Play::default()
    };
    let one = Play {
        high_dbm0: -60.0,
        ..Play::default()
    };
    let uneven = Play {
        low_dbm0: -6.0,
        high_dbm0: -20.0,
        ..Play::default()
    };
    for play in [short, weak, one, uneven] {
        let mut line = Line::default();
        line.silence(30);
        for key in KEYS.chars() {
            line.key(key, play).silence(60);
        }
        assert_eq!(line.digits(), "");
    }
}

#[test]
fn a_hole_in_the_line_makes_no_second_press_and_a_pause_does() {
    let hole = |ms| {
        let mut line = Line::default();
        line.silence(33).key('5', Play::default()).silence(ms);
        line.key('5', Play::default()).silence(80);
        line.presses()
    };
    let [press] = hole(20)[..] else {
        panic!("{:?}", hole(20));
    };
    assert!(near(press.duration_ms, 220, 8), "{press:?}");
    assert_eq!(hole(40).len(), 2);
}

#[test]
fn noise_hum_and_ringing_press_no_key() {
    let mut noise = Line::default();
    noise.silence(60_000).noise(-15.0);
    assert_eq!(noise.digits(), "");
    // Tones of a network: dial tone, ringing and busy of several countries, a modem's answer.
    for pair in [
        (350.0, 440.0),
        (440.0, 480.0),
        (480.0, 620.0),
        (425.0, 425.0),
        (2_100.0, 1_100.0),
    ] {
        let pcm: Vec<i16> = (0..16_000)
            .map(|at| {
                let t = f64::from(at) / 8_000.0;
                let sine = |hz: f64| 6_000.0 * (TAU * hz * t).sin();
                (sine(pair.0) + sine(pair.1)) as i16
            })
            .collect();
        assert_eq!(presses(8_000, &pcm), []);
    }
}

#[test]
fn little_of_a_tone_is_heard_before_it_is_noticed() {
    for offset in 0..20 {
        let mut line = Line::default();
        line.silence(40 + offset)
            .key(
                '7',
                Play {
                    ms: 200,
                    ..Play::default()
                },
            )
            .silence(100);
        let begins = (40 + offset as usize) * 8;
        let ends = begins + 200 * 8;
        let mut listener = Listener::default();
        let (mut leaked, mut stolen) = (0, 0);
        for (nth, frame) in line.pcm.chunks(160).enumerate() {
            let sounds = listener.hear(8_000, frame);
            let (from, to) = (nth * 160, nth * 160 + frame.len());
            let of_tone = to.min(ends).saturating_sub(from.max(begins));
            match sounds {
                false => leaked += of_tone,
                true => stolen += frame.len() - of_tone,
            }
        }
        // Less than any receiver takes for a press.
        assert!(leaked < 40 * 8, "{} ms", leaked / 8);
        assert!(stolen < 60 * 8, "{} ms", stolen / 8);
    }
}

#[test]
fn what_cannot_be_sung_is_refused_and_what_waits_is_bounded() {
    use crate::leg::DigitsError;
    let mut singer = Singer::default();
    assert_eq!(singer.queue("1x", 80), Err(DigitsError::NotADigit('x')));
    assert!(singer.is_idle());
    assert!(singer.queue(&"9".repeat(64), 80).is_ok());
    assert_eq!(singer.queue("9", 80), Err(DigitsError::QueueFull));
    singer.clear();
    let mut pcm = [7; 160];
    singer.sing(8_000, &mut pcm);
    assert_eq!(pcm, [0; 160]);
}
