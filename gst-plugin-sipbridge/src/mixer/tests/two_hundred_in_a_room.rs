// SPDX-License-Identifier: MPL-2.0

use super::*;

/// Two hundred, in all codecs and rates, a few of them speaking, taking turns: everyone hears the
/// speakers, and a tick takes its time.
#[test]
fn two_hundred_hear_whoever_speaks() {
    gst::init().unwrap();
    let mut room = Room::new();
    let rates = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];
    let listening = [
        Listening::Packets(Codec::Pcmu),
        Listening::Packets(Codec::G722),
        Listening::Packets(Codec::Opus),
        Listening::Samples(Rate::Hz16000),
    ];
    let all: Vec<(Rate, Participant)> = (0..200)
        .map(|who| {
            let rate = rates[who % 3];
            (rate, room.join(Some(rate), listening[who % 4]))
        })
        .collect();
    let mut heard = Vec::new();
    for tick in 0..300 {
        for (who, (rate, participant)) in all.iter().enumerate() {
            let speaks = (tick / 100 * 7..tick / 100 * 7 + 4).contains(&who);
            let amplitude = if speaks { 5_000.0 } else { 2.0 };
            let hz = 400.0 + 100.0 * (who % 7) as f64;
            room.says(*participant, *rate, &tone(*rate, hz, amplitude, tick));
        }
        room.tick();
        if tick >= 250 {
            heard.extend(room.samples(all[199].1));
            let work = room.mixer.work();
            assert_eq!(work.voices, 4, "tick {tick}");
            // The fifty phones that speak G.722 are encoded for one by one.
            assert!(work.own_encodes <= 54, "{work:?}");
            assert!(work.shared_encodes <= 3, "{work:?}");
        }
    }
    for who in 0..4 {
        let level = level_of(&heard, Rate::Hz16000, 400.0 + 100.0 * who as f64);
        assert!((4_500.0..5_500.0).contains(&level), "{who}: {level}");
    }
}

/// All of them at once: nothing wraps around, and everyone still hears everyone else.
#[test]
fn two_hundred_at_once_are_limited_and_not_broken() {
    let mut room = Room::new();
    let rate = Rate::Hz8000;
    let all: Vec<Participant> = (0..200).map(|_| room.phone(rate)).collect();
    let mut heard = Vec::new();
    for _ in 0..30 {
        for participant in &all {
            room.says(*participant, rate, &[i16::MIN; 160]);
        }
        room.tick();
        heard = room.samples(all[0]);
    }
    assert!(
        heard
            .iter()
            .all(|sample| (-32_767..-29_000).contains(sample))
    );
}
