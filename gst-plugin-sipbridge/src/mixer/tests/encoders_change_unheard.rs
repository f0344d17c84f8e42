// SPDX-License-Identifier: MPL-2.0
//! A listener who begins and stops to speak changes between the shared encoder and one of their own.
//! The same room in which they never speak tells what they would have heard.

use super::*;
use crate::codec::Encoder;

const TICKS: usize = 600;

/// One voice at few bits.
fn one_voice() -> OpusSettings {
    OpusSettings {
        bitrate_bps: 24_000,
        ..OpusSettings::default()
    }
}

/// As a room comes: what the element has by default, at the bits a second of `pipelines/room.toml`.
fn shipped(inband_fec: bool) -> OpusSettings {
    OpusSettings {
        bitrate_bps: 32_000,
        inband_fec,
        ..MixerSettings::default().opus
    }
}

/// What a listener hears in a room where somebody speaks all the time, and they now and then.
/// Returns it with the ticks at which their encoder changed.
fn heard(codec: Codec, rate: Rate, opus: OpusSettings, speaks: bool) -> (Vec<i16>, Vec<usize>) {
    gst::init().unwrap();
    let mut room = Room::with(MixerSettings {
        opus,
        ..MixerSettings::default()
    });
    let speaker = room.phone(rate);
    let listener = room.join(Some(rate), Listening::Packets(codec));
    let mut decoder = Decoder::new(codec, rate.hz()).unwrap();
    let mut pcm = Vec::new();
    let mut changes = Vec::new();
    let mut shared = None;
    for tick in 0..TICKS {
        room.says(speaker, rate, &PHONE.frame(rate, tick));
        // Bursts of a third of a second: everything happens often.
        let frame = if speaks && tick % 100 < 18 && tick > 20 {
            OTHER.frame(rate, tick * 3)
        } else {
            vec![0; rate.frame()]
        };
        room.says(listener, rate, &frame);
        room.tick();
        let now = room.mixer.shares(listener);
        if shared.is_some_and(|before| before != now) {
            changes.push(tick);
        }
        shared = Some(now);
        decoder.decode(&room.packet(listener), &mut pcm);
    }
    (pcm, changes)
}

/// How far two sounds are apart in the frames of these ticks, as a share of the first.
fn distance(a: &[i16], b: &[i16], rate: Rate, ticks: &[usize]) -> f64 {
    let (mut apart, mut whole) = (0.0, 0.0);
    for tick in ticks {
        let range = tick * rate.frame()..(tick + 1) * rate.frame();
        for (a, b) in a[range.clone()].iter().zip(&b[range]) {
            apart += (f64::from(*a) - f64::from(*b)).powi(2);
            whole += f64::from(*a).powi(2);
        }
    }
    apart / whole.max(1.0)
}

/// How far two encoders of the same speech are apart in these ticks, of which one had it in other frames: half of
/// one later.
fn apart_anyway(rate: Rate, opus: OpusSettings, ticks: &[usize]) -> f64 {
    let speech: Vec<i16> = (0..=TICKS)
        .flat_map(|tick| PHONE.frame(rate, tick))
        .collect();
    let half = rate.frame() / 2;
    let [first, second] = [0, half].map(|from| {
        let mut encoder = Encoder::new(Codec::Opus, rate.hz(), opus).unwrap();
        let mut decoder = Decoder::new(Codec::Opus, rate.hz()).unwrap();
        let (mut packet, mut pcm) = (Vec::new(), Vec::new());
        for frame in speech[from..].chunks_exact(rate.frame()).take(TICKS) {
            encoder.encode(frame, &mut packet);
            decoder.decode(&packet, &mut pcm);
        }
        pcm
    });
    distance(&first[half..], &second, rate, ticks)
}

fn check(codec: Codec, rate: Rate, opus: OpusSettings, most: impl Fn(&[usize]) -> f64) {
    let (never, none) = heard(codec, rate, opus, false);
    let (now_and_then, changes) = heard(codec, rate, opus, true);
    assert!(none.is_empty());
    assert!(changes.len() >= 8, "{codec}: {changes:?}");
    // The frame of the change and the two after it, in which a decoder may be led astray.
    let near: Vec<usize> = changes.iter().flat_map(|tick| *tick..tick + 3).collect();
    let apart = distance(&never, &now_and_then, rate, &near);
    let most = most(&near);
    assert!(
        apart <= most,
        "{codec}, {rate:?}, {opus:?}: {apart} apart, {most} allowed"
    );
    for tick in &changes {
        let range = (tick - 1) * rate.frame()..(tick + 3) * rate.frame();
        let (bend, usual) = (
            sharpest(&now_and_then[range.clone()]),
            sharpest(&never[range]),
        );
        assert!(
            bend <= usual * 3 / 2 + 200,
            "{codec}, {opus:?}: {bend} where {usual} would be, tick {tick}"
        );
    }
}

/// Two encoders of the same speech are apart by about 0.1 anyway: each makes its own noise.
#[test]
fn opus_at_every_rate() {
    for rate in Rate::ALL {
        check(Codec::Opus, rate, one_voice(), |_| 0.1);
    }
}

/// In the settings that a room has, with copies of packets and without, a change is no more than that.
#[test]
fn opus_as_a_room_comes() {
    for rate in Rate::ALL {
        for opus in [true, false].map(shipped) {
            check(Codec::Opus, rate, opus, |near| {
                apart_anyway(rate, opus, near)
            });
        }
    }
}

/// Nobody can change between two encoders of G.722 unheard, so nobody does.
#[test]
fn g722_does_not_change() {
    let (never, none) = heard(Codec::G722, Rate::Hz16000, one_voice(), false);
    let (now_and_then, changes) = heard(Codec::G722, Rate::Hz16000, one_voice(), true);
    assert!(none.is_empty() && changes.is_empty());
    assert_eq!(never, now_and_then);
}

#[test]
fn codecs_without_a_past_to_the_bit() {
    let to_the_bit = |_: &[usize]| 0.0;
    check(Codec::Pcmu, Rate::Hz8000, one_voice(), to_the_bit);
    check(Codec::Pcma, Rate::Hz8000, one_voice(), to_the_bit);
    check(Codec::L16, Rate::Hz16000, one_voice(), to_the_bit);
}
