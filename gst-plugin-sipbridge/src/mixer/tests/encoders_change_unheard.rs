// SPDX-License-Identifier: MPL-2.0
//! A listener who begins and stops to speak changes between the shared encoder and one of their own.
//! The same room in which they never speak tells what they would have heard.

use super::*;

const TICKS: usize = 600;

/// What a listener hears in a room where somebody speaks all the time, and they now and then.
/// Returns it with the ticks at which their encoder changed.
fn heard(codec: Codec, rate: Rate, speaks: bool) -> (Vec<i16>, Vec<usize>) {
    gst::init().unwrap();
    let mut room = Room::with(MixerSettings {
        opus: OpusSettings {
            bitrate_bps: 24_000,
            ..OpusSettings::default()
        },
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

fn check(codec: Codec, rate: Rate, most: f64) {
    let (never, none) = heard(codec, rate, false);
    let (now_and_then, changes) = heard(codec, rate, true);
    assert!(none.is_empty());
    assert!(changes.len() >= 8, "{codec}: {changes:?}");
    // The frame of the change and the two after it, in which a decoder may be led astray.
    let near: Vec<usize> = changes.iter().flat_map(|tick| *tick..tick + 3).collect();
    let apart = distance(&never, &now_and_then, rate, &near);
    assert!(apart <= most, "{codec}: {apart} apart");
    for tick in &changes {
        let range = (tick - 1) * rate.frame()..(tick + 3) * rate.frame();
        let (bend, usual) = (
            sharpest(&now_and_then[range.clone()]),
            sharpest(&never[range]),
        );
        assert!(
            bend <= usual * 3 / 2 + 200,
            "{codec}: {bend} where {usual} would be, tick {tick}"
        );
    }
}

/// Two encoders of the same speech are apart by about 0.1 anyway: each makes its own noise.
#[test]
fn opus_at_every_rate() {
    for rate in Rate::ALL {
        check(Codec::Opus, rate, 0.1);
    }
}

/// Nobody can change between two encoders of G.722 unheard, so nobody does.
#[test]
fn g722_does_not_change() {
    let (never, none) = heard(Codec::G722, Rate::Hz16000, false);
    let (now_and_then, changes) = heard(Codec::G722, Rate::Hz16000, true);
    assert!(none.is_empty() && changes.is_empty());
    assert_eq!(never, now_and_then);
}

#[test]
fn codecs_without_a_past_to_the_bit() {
    check(Codec::Pcmu, Rate::Hz8000, 0.0);
    check(Codec::Pcma, Rate::Hz8000, 0.0);
    check(Codec::L16, Rate::Hz16000, 0.0);
}
