// SPDX-License-Identifier: MPL-2.0

use super::*;

const RATE: Rate = Rate::Hz8000;

/// A tone that begins or ends anywhere in its swing is a click; as a voice it must not be. A whole
/// tone of this pitch and size bends by 1,230 at most.
const BEND: i32 = 2_000;

fn loud(tick: usize) -> Vec<i16> {
    // 440.3 Hz: the frames end at all places of the swing.
    tone(RATE, 440.3, 10_000.0, tick + 1_000)
}

#[test]
fn voices_set_in_and_break_off_softly() {
    for leaves_at in 20..40 {
        let mut room = Room::new();
        let listener = room.join(None, Listening::Samples(RATE));
        let mut speaker = None;
        let mut heard = Vec::new();
        for tick in 0..60 {
            if tick == 10 {
                speaker = Some(room.phone(RATE));
            }
            if tick == leaves_at {
                room.mixer.leave(speaker.take().unwrap());
            }
            if let Some(speaker) = speaker {
                room.says(speaker, RATE, &loud(tick));
            }
            room.tick();
            heard.extend(room.samples(listener));
        }
        assert!(
            sharpest(&heard) < BEND,
            "left at {leaves_at}: {}",
            sharpest(&heard)
        );
        assert!(rms(&heard[11 * 160..leaves_at * 160]) > 6_500.0);
        assert!(heard[(leaves_at + 1) * 160..].iter().all(|s| *s == 0));
    }
}

#[test]
fn a_voice_that_starves_comes_back_softly() {
    let mut room = Room::new();
    let (speaker, listener) = (room.phone(RATE), room.join(None, Listening::Samples(RATE)));
    let mut heard = Vec::new();
    for tick in 0..100 {
        if tick % 7 != 3 {
            room.says(speaker, RATE, &loud(tick));
        }
        room.tick();
        heard.extend(room.samples(listener));
    }
    assert!(sharpest(&heard) < BEND, "{}", sharpest(&heard));
}

#[test]
fn who_leaves_before_a_tick_has_their_frame_breaks_off_too() {
    let mut room = Room::new();
    let (speaker, listener) = (room.phone(RATE), room.join(None, Listening::Samples(RATE)));
    let mut heard = Vec::new();
    for tick in 0..30 {
        if tick <= 20 {
            room.says(speaker, RATE, &loud(tick));
        }
        if tick == 20 {
            room.mixer.leave(speaker);
        }
        room.tick();
        heard.extend(room.samples(listener));
    }
    assert!(sharpest(&heard) < BEND, "{}", sharpest(&heard));
    assert!(rms(&heard[20 * 160..20 * 160 + 40]) > 1_000.0);
}

/// Listeners of the shared stream come and go: nobody else notices.
#[test]
fn others_hear_nothing_of_a_listener_who_comes_or_goes() {
    let mut room = Room::new();
    let speaker = room.phone(RATE);
    let stays = room.join(None, Listening::Samples(RATE));
    let mut guest = None;
    for tick in 0..100 {
        let said = loud(tick);
        room.says(speaker, RATE, &said);
        match tick % 10 {
            2 => guest = Some(room.join(Some(RATE), Listening::Packets(Codec::Opus))),
            7 => room.mixer.leave(guest.take().unwrap()),
            _ => {}
        }
        room.tick();
        if tick > 0 {
            assert_eq!(room.samples(stays), said);
        }
    }
}
