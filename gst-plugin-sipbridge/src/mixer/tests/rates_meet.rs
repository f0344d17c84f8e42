// SPDX-License-Identifier: MPL-2.0

use super::*;

#[test]
fn each_hears_the_others_at_their_own_rate_and_never_themselves() {
    let mut room = Room::new();
    let hz = [600.0, 1_000.0, 1_700.0];
    let all = Rate::ALL.map(|rate| (rate, room.phone(rate)));
    let mut heard = [const { Vec::new() }; 3];
    for tick in 0..100 {
        for ((rate, who), hz) in all.iter().zip(hz) {
            room.says(*who, *rate, &tone(*rate, hz, 8_000.0, tick));
        }
        room.tick();
        for ((_, who), heard) in all.iter().zip(&mut heard) {
            if tick >= 10 {
                heard.extend(room.samples(*who));
            }
        }
    }
    for (me, heard) in heard.iter().enumerate() {
        for (other, hz) in hz.iter().enumerate() {
            let level = level_of(heard, all[me].0, *hz);
            if other == me {
                assert!(level < 2.0, "{me} hears themselves at {level}");
            } else {
                assert!(
                    (7_600.0..8_400.0).contains(&level),
                    "{me} hears {other} at {level}"
                );
            }
        }
    }
}

/// The narrow phones' Opus is encoded narrow; when somebody comes who has more to say, it widens.
#[test]
fn opus_is_as_wide_as_the_widest_voice() {
    let mut room = Room::new();
    let narrow = room.phone(Rate::Hz8000);
    let browser = room.join(None, Listening::Packets(Codec::Opus));
    let mut decoder = Decoder::new(Codec::Opus, 48_000).unwrap();
    let mut heard = Vec::new();
    let mut wide = None;
    for tick in 0..300 {
        room.says(
            narrow,
            Rate::Hz8000,
            &tone(Rate::Hz8000, 500.0, 6_000.0, tick),
        );
        if tick == 150 {
            wide = Some(room.phone(Rate::Hz16000));
        }
        if let Some(wide) = wide {
            room.says(
                wide,
                Rate::Hz16000,
                &tone(Rate::Hz16000, 5_500.0, 6_000.0, tick),
            );
        }
        room.tick();
        decoder.decode(&room.packet(browser), &mut heard);
    }
    let (before, after) = heard.split_at(150 * 960);
    let rate = Rate::Hz48000;
    assert!(level_of(&before[48_000..], rate, 500.0) > 4_000.0);
    assert!(level_of(&after[48_000..], rate, 500.0) > 4_000.0);
    assert!(level_of(&after[48_000..], rate, 5_500.0) > 3_000.0);
    // The change leaves no hole in what was heard before.
    for hole in heard[149 * 960..156 * 960].chunks(240) {
        assert!(rms(hole) > 2_000.0, "{}", rms(hole));
    }
}

/// Whom nobody else can hear at their own rate is no reason to encode at it.
#[test]
fn the_rate_is_the_highest_that_somebody_can_use() {
    let mut room = Room::new();
    let opus = Listening::Packets(Codec::Opus);
    assert_eq!(room.mixer.rate(), Rate::Hz8000);
    let phone = room.join(Some(Rate::Hz8000), Listening::Packets(Codec::Pcmu));
    let browser = room.join(Some(Rate::Hz48000), opus);
    assert_eq!(room.mixer.rate(), Rate::Hz8000);
    let wide_phone = room.join(Some(Rate::Hz16000), Listening::Packets(Codec::G722));
    assert_eq!(room.mixer.rate(), Rate::Hz16000);
    let other_browser = room.join(Some(Rate::Hz48000), opus);
    assert_eq!(room.mixer.rate(), Rate::Hz48000);
    // Who only listens can use it too.
    room.mixer.leave(other_browser);
    let listener = room.join(None, opus);
    assert_eq!(room.mixer.rate(), Rate::Hz48000);
    for gone in [listener, wide_phone, phone, browser] {
        room.mixer.leave(gone);
    }
    assert_eq!(room.mixer.rate(), Rate::Hz8000);
}

/// A browser among narrow phones: what it hears is encoded narrow, and what it says is heard by them.
#[test]
fn a_browser_among_phones_hears_and_is_heard() {
    let mut room = Room::new();
    let phone = room.phone(Rate::Hz8000);
    let browser = room.join(Some(Rate::Hz48000), Listening::Packets(Codec::Opus));
    let mut decoder = Decoder::new(Codec::Opus, 8_000).unwrap();
    let (mut by_phone, mut by_browser) = (Vec::new(), Vec::new());
    for tick in 0..100 {
        let (narrow, wide) = (Rate::Hz8000, Rate::Hz48000);
        room.says(phone, narrow, &tone(narrow, 500.0, 6_000.0, tick));
        room.says(browser, wide, &tone(wide, 900.0, 6_000.0, tick));
        room.tick();
        by_phone.extend(room.samples(phone));
        let packet = room.packet(browser);
        // RFC 6716 table 2: narrow-band.
        assert!(packet[0] >> 3 < 4, "{}", packet[0] >> 3);
        decoder.decode(&packet, &mut by_browser);
    }
    let level = |heard: &[i16], hz| level_of(&heard[8_000..], Rate::Hz8000, hz);
    assert!(level(&by_phone, 900.0) > 5_000.0 && level(&by_phone, 500.0) < 10.0);
    assert!(level(&by_browser, 500.0) > 4_000.0 && level(&by_browser, 900.0) < 200.0);
}

#[test]
fn no_rate_is_above_the_limit() {
    let mut room = Room::with(MixerSettings {
        rate_max: Rate::Hz16000,
        ..MixerSettings::default()
    });
    let speaker = room.phone(Rate::Hz48000);
    let listener = room.join(None, Listening::Packets(Codec::Opus));
    for tick in 0..20 {
        room.says(
            speaker,
            Rate::Hz48000,
            &tone(Rate::Hz48000, 500.0, 6_000.0, tick),
        );
        room.tick();
    }
    // Configurations 16 and up of RFC 6716 table 2 are CELT; of the others, 12 and up exceed 8 kHz
    // of audio.
    assert!(room.packet(listener)[0] >> 3 < 12);
}

#[test]
fn a_voice_that_changes_its_rate_goes_on() {
    let mut room = Room::new();
    let speaker = room.phone(Rate::Hz8000);
    let listener = room.join(None, Listening::Samples(Rate::Hz16000));
    let mut heard = Vec::new();
    for tick in 0..60 {
        let rate = if tick < 30 {
            Rate::Hz8000
        } else {
            Rate::Hz16000
        };
        room.says(speaker, rate, &tone(rate, 500.0, 8_000.0, tick));
        room.tick();
        heard.extend(room.samples(listener));
    }
    assert!(rms(&heard[29 * 320..30 * 320]) > 5_000.0);
    assert!(rms(&heard[32 * 320..33 * 320]) > 5_000.0);
    assert!(
        sharpest(&heard[320..]) < 1_200,
        "{}",
        sharpest(&heard[320..])
    );
}
