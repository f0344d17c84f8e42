// SPDX-License-Identifier: MPL-2.0

use super::*;

const RATE: Rate = Rate::Hz16000;

/// Forty listen, three speak: three encodes for those, one for all others.
#[test]
fn forty_with_three_speakers_are_four_encodes() {
    let mut room = Room::new();
    let all: Vec<Participant> = (0..40)
        .map(|_| room.join(Some(RATE), Listening::Packets(Codec::Opus)))
        .collect();
    for tick in 0..200 {
        for (who, participant) in all.iter().enumerate() {
            let amplitude = if who < 3 { 6_000.0 } else { 4.0 };
            room.says(
                *participant,
                RATE,
                &tone(RATE, 300.0 + 40.0 * who as f64, amplitude, tick),
            );
        }
        room.tick();
        let work = room.mixer.work();
        if tick > 60 {
            assert_eq!(
                (work.own_encodes, work.shared_encodes),
                (3, 1),
                "tick {tick}"
            );
            assert_eq!((work.voices, work.sharing), (3, 37));
        }
    }
    let shared: Vec<_> = all
        .iter()
        .filter_map(|who| room.mixer.shares(*who))
        .collect();
    assert_eq!(shared.len(), 37);
    assert!(shared.iter().all(|number| *number == shared[0]));
    let speaking = all.iter().filter(|who| room.mixer.is_speaking(**who));
    assert_eq!(speaking.count(), 3);
}

#[test]
fn everyone_speaking_is_an_encode_each_and_none_for_nobody() {
    let mut room = Room::new();
    let all: Vec<Participant> = (0..6)
        .map(|_| room.join(Some(RATE), Listening::Packets(Codec::Opus)))
        .collect();
    for tick in 0..30 {
        for (who, participant) in all.iter().enumerate() {
            room.says(
                *participant,
                RATE,
                &tone(RATE, 300.0 + 40.0 * who as f64, 6_000.0, tick),
            );
        }
        room.tick();
    }
    let work = room.mixer.work();
    assert_eq!((work.own_encodes, work.shared_encodes), (6, 0));
}

#[test]
fn codecs_are_encoded_once_each() {
    let mut room = Room::new();
    let speaker = room.phone(RATE);
    let codecs = [
        Codec::Opus,
        Codec::G722,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::L16,
    ];
    let listeners: Vec<Participant> = (0..25)
        .map(|who| room.join(None, Listening::Packets(codecs[who % 5])))
        .collect();
    let mut heard: Vec<Vec<i16>> = vec![Vec::new(); 5];
    let mut decoders: Vec<Decoder> = [
        Codec::Opus,
        Codec::G722,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::L16,
    ]
    .map(|codec| {
        gst::init().unwrap();
        Decoder::new(codec, 16_000).unwrap()
    })
    .into();
    for tick in 0..50 {
        room.says(speaker, RATE, &tone(RATE, 700.0, 8_000.0, tick));
        room.tick();
        for ((decoder, heard), who) in decoders.iter_mut().zip(&mut heard).zip(&listeners) {
            decoder.decode(&room.packet(*who), heard);
        }
    }
    assert_eq!(room.mixer.work().shared_encodes, 5);
    assert_eq!(room.mixer.work().own_encodes, 0);
    for ((heard, decoder), codec) in heard.iter().zip(&decoders).zip(codecs) {
        let rate = Rate::from_hz(decoder.rate_hz()).unwrap();
        let level = level_of(&heard[heard.len() / 2..], rate, 700.0);
        assert!((7_000.0..9_000.0).contains(&level), "{codec}: {level}");
    }
}

/// A room noise of −52 dBFS is nobody's speech, and does not add up.
#[test]
fn the_noise_of_the_silent_is_not_heard() {
    let mut room = Room::new();
    let all: Vec<Participant> = (0..40).map(|_| room.phone(RATE)).collect();
    let listener = room.join(None, Listening::Samples(RATE));
    for tick in 0..700 {
        for (who, participant) in all.iter().enumerate() {
            room.says(
                *participant,
                RATE,
                &tone(RATE, 200.0 + 13.0 * who as f64, 110.0, tick),
            );
        }
        room.tick();
    }
    assert_eq!(room.mixer.work().voices, 0);
    assert_eq!(rms(&room.samples(listener)), 0.0);
}

/// The level that a sender tells counts instead of what is measured.
#[test]
fn levels_from_the_sender_choose_the_speakers() {
    let mut room = Room::new();
    let [told_quiet, told_loud] = [(); 2].map(|()| room.phone(RATE));
    for tick in 0..100 {
        let frame = tone(RATE, 500.0, 3_000.0, tick);
        room.mixer.hear(told_quiet, RATE, &frame, Some(-90.0));
        room.mixer.hear(told_loud, RATE, &frame, Some(-20.0));
        room.tick();
    }
    assert!(room.mixer.is_speaking(told_loud) && !room.mixer.is_speaking(told_quiet));
    assert!((room.mixer.level_dbfs(told_loud) + 20.0).abs() < 0.1);
}
