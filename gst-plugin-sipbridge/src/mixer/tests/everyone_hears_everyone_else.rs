// SPDX-License-Identifier: MPL-2.0

use super::*;

/// Five at one rate, all of them loud: each hears the sum of the other four, to the bit.
#[test]
fn the_sum_is_exact_and_holds_everyone_but_oneself() {
    for rate in Rate::ALL {
        let mut room = Room::new();
        let all: Vec<Participant> = (0..5).map(|_| room.phone(rate)).collect();
        for tick in 0..50 {
            let said: Vec<Vec<i16>> = (0..5)
                .map(|who| tone(rate, 300.0 + 171.0 * who as f64, 4_000.0, tick))
                .collect();
            for (who, frame) in all.iter().zip(&said) {
                room.says(*who, rate, frame);
            }
            room.tick();
            if tick == 0 {
                // Voices set in.
                continue;
            }
            for (me, who) in all.iter().enumerate() {
                let heard = room.samples(*who);
                for (i, sample) in heard.iter().enumerate() {
                    let others = (0..5).filter(|other| *other != me);
                    let sum: i16 = others.map(|other| said[other][i]).sum();
                    assert_eq!(*sample, sum, "{rate:?}, tick {tick}");
                }
            }
        }
    }
}

#[test]
fn one_alone_hears_nothing() {
    for listening in Rate::ALL {
        for speaking in Rate::ALL {
            let mut room = Room::new();
            let alone = room.join(Some(speaking), Listening::Samples(listening));
            for tick in 0..100 {
                // In and out of speech.
                let amplitude = if tick / 40 % 2 == 0 { 20_000.0 } else { 3.0 };
                room.says(alone, speaking, &tone(speaking, 500.0, amplitude, tick));
                room.tick();
                let heard = room.samples(alone);
                assert!(
                    heard.iter().all(|s| *s == 0),
                    "{speaking:?} {listening:?} {tick}"
                );
            }
        }
    }
}

#[test]
fn one_alone_hears_nothing_when_the_sound_is_too_loud_for_a_sample() {
    let mut room = Room::new();
    let all: Vec<Participant> = (0..20).map(|_| room.phone(Rate::Hz8000)).collect();
    let mut heard = Vec::new();
    for tick in 0..100 {
        for (who, participant) in all.iter().enumerate() {
            let hz = 400.0 * 1.07f64.powi(who as i32);
            room.says(
                *participant,
                Rate::Hz8000,
                &tone(Rate::Hz8000, hz, 9_000.0, tick),
            );
        }
        room.tick();
        if tick >= 50 {
            heard.extend(room.samples(all[3]));
        }
    }
    let own = level_of(&heard, Rate::Hz8000, 400.0 * 1.07f64.powi(3));
    let other = level_of(&heard, Rate::Hz8000, 400.0 * 1.07f64.powi(4));
    assert!(other > 1_000.0 && own < other / 50.0, "{own} {other}");
    assert!(heard.iter().all(|s| s.unsigned_abs() <= 32_767));
}

#[test]
fn a_muted_participant_hears_and_is_not_heard() {
    let mut room = Room::new();
    let rate = Rate::Hz16000;
    let (muted, other) = (room.phone(rate), room.phone(rate));
    room.mixer.mute(muted, true);
    for tick in 0..20 {
        room.says(muted, rate, &tone(rate, 400.0, 8_000.0, tick));
        room.says(other, rate, &tone(rate, 900.0, 8_000.0, tick));
        room.tick();
    }
    assert!(!room.mixer.is_speaking(muted) && room.mixer.is_speaking(other));
    assert_eq!(rms(&room.samples(other)), 0.0);
    assert!(rms(&room.samples(muted)) > 5_000.0);
    room.mixer.mute(muted, false);
    for tick in 20..25 {
        room.says(muted, rate, &tone(rate, 400.0, 8_000.0, tick));
        room.tick();
    }
    assert!(rms(&room.samples(other)) > 5_000.0);
}
