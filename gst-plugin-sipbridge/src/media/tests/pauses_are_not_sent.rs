// SPDX-License-Identifier: MPL-2.0
//! DTX both ways: of a conversation only speech is sent, and the far end hears the same room in the
//! pauses.

use super::wired::*;
use super::*;
use crate::codec::noise::{Noise, NoiseMaker};
use crate::leg::tests::line::Line;

/// Two seconds of speech, three of the room, five times over. Returns the share of packets sent, and
/// how loud speech and room are there.
fn conversation(codec: Codec, dtx: bool) -> (f64, f64, f64) {
    let mut room = Vec::new();
    NoiseMaker::new(4).make(&Noise::white(52), 8_000, &mut room);
    let said = |sample: u32| room[sample as usize % room.len()];
    let mut wired = Wired::new(Setup {
        dtx,
        ..Setup::new(Line::clean(), codec)
    });
    wired.say(Duration::from_secs(3), said);
    wired.heard();
    let before = wired.sent.len();
    let (mut speech, mut pauses) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        wired.say(Duration::from_secs(2), |sample| {
            voice(sample).saturating_add(said(sample))
        });
        // The delay of the line, and the voice's dying away.
        speech.extend(wired.heard().split_off(1_600));
        wired.say(Duration::from_secs(3), said);
        pauses.extend(wired.heard().split_off(4_000));
    }
    let sent = (wired.sent.len() - before) as f64 / 1_250.0;
    (sent, loudness(&speech), loudness(&pauses))
}

#[test]
fn comfort_noise_stands_for_the_room() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
        let (all, speech, room) = conversation(codec, false);
        let (sent, speech_dtx, room_dtx) = conversation(codec, true);
        assert!(all > 0.98, "{codec}: {all}");
        assert!(sent < 0.5, "{codec}: {sent}");
        let db = |a: f64, b: f64| (20.0 * (a / b).log10()).abs();
        assert!(db(speech, speech_dtx) < 1.0, "{speech} {speech_dtx}");
        assert!(db(room, room_dtx) < 4.0, "{codec}: {room} {room_dtx}");
    }
}

#[test]
fn nor_is_the_silence_where_nothing_is_said_at_all() {
    for (codec, most) in [(Codec::Pcmu, 20), (Codec::Opus, 50)] {
        let mut wired = Wired::new(Setup {
            dtx: true,
            ..Setup::new(Line::clean(), codec)
        });
        wired.say(Duration::from_secs(2), voice);
        let before = wired.sent.len();
        wired.wait(Duration::from_secs(10));
        let sent = wired.sent.len() - before;
        // Enough that nobody on the way forgets us.
        assert!((4..=most).contains(&sent), "{codec}: {sent}");
    }
}

#[test]
fn opus_sends_a_packet_now_and_then() {
    let (all, speech, _) = conversation(Codec::Opus, false);
    let (sent, speech_dtx, room_dtx) = conversation(Codec::Opus, true);
    assert!(all > 0.98, "{all}");
    assert!(sent < 0.52, "{sent}");
    assert!((20.0 * (speech / speech_dtx).log10()).abs() < 1.0);
    // Not as if the line were dead.
    assert!(room_dtx > 4.0, "{room_dtx}");
}
