// SPDX-License-Identifier: MPL-2.0
//! A far end that pauses is heard again at the right time: a pause is no loss.

use super::*;
use crate::codec::noise::{Noise, NoiseMaker};

#[test]
fn the_timestamp_goes_on_by_the_time_that_passed() {
    for said in [Codec::Pcmu, Codec::Opus] {
        let mut story = Story::new(Codec::Pcmu, said);
        let spoken = spoken(Codec::Pcmu, 10);
        for payload in &spoken {
            let packet = story.say(payload, 160);
            story.arrive(&packet);
            story.pass(PTIME);
        }
        let before = story.sent.len();
        // Half a second of nothing.
        story.alice.pass(4_000);
        story.pass(Duration::from_millis(500));
        for payload in &spoken {
            let packet = story.say(payload, 160);
            story.arrive(&packet);
            story.pass(PTIME);
        }
        assert_eq!(story.sent.len(), 20);
        let (last, first) = (&story.sent[before - 1], &story.sent[before]);
        assert!(first.marker, "the begin of a talkspurt");
        let step = first.timestamp.wrapping_sub(last.timestamp);
        let expected = said.clock_rate() / 1000 * 520;
        assert!(
            step.abs_diff(expected) <= samples(said) / 20,
            "{said}: {step}"
        );
        assert_eq!(story.from.stats().concealed_frames, 0);
    }
}

#[test]
fn comfort_noise_passes() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcma);
    for payload in spoken(Codec::Pcmu, 3) {
        let packet = story.say(&payload, 160);
        story.arrive(&packet);
        story.pass(PTIME);
    }
    let noise = story.alice.send_noise(&[60], 160).unwrap().bytes.to_vec();
    story.arrive(&noise);
    let sent = story.sent.last().unwrap();
    assert_eq!(
        (sent.payload_type, sent.payload.as_slice()),
        (13, &[60][..])
    );
}

#[test]
fn a_listener_on_hold_is_sent_nothing() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    let mut held = agreement(BOB, Codec::Pcmu);
    held.direction = Direction::RecvOnly;
    story.to.apply(story.now, &held);
    for payload in spoken(Codec::Pcmu, 10) {
        let packet = story.say(&payload, 160);
        story.arrive(&packet);
        story.pass(PTIME);
    }
    assert!(story.sent.is_empty());
    story.to.apply(story.now, &agreement(BOB, Codec::Pcmu));
    let packet = story.say(&[0x55; 160], 160);
    story.arrive(&packet);
    assert_eq!(story.sent.len(), 1, "what waited is not said later");
}

/// A word, and two seconds of a quiet room after it, to a side where pauses need not be sent.
fn a_word_and_a_pause(said: Codec) -> Story {
    let dtx = MediaConfig {
        dtx: true,
        ..MediaConfig::default()
    };
    let mut story = Story::with(Codec::Pcmu, said, dtx);
    let mut room = Vec::new();
    NoiseMaker::new(9).make(&Noise::white(60), 200 * 160, &mut room);
    let mut encoder = Encoder::new(Codec::Pcmu, 8_000, OpusSettings::default()).unwrap();
    let mut quiet = room.chunks(160).map(|frame| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    });
    let before: Vec<_> = quiet.by_ref().take(100).collect();
    let words = spoken(Codec::Pcmu, 25);
    for payload in before.into_iter().chain(words).chain(quiet) {
        let packet = story.say(&payload, 160);
        story.arrive(&packet);
        story.pass(PTIME);
    }
    story
}

/// When the word began, and how long speech is held on to after it.
const WORD: Duration = Duration::from_secs(2);
const HELD: Duration = Duration::from_millis(500 + 240);

#[test]
fn opus_leaves_pauses_out_but_for_a_packet_now_and_then() {
    let story = a_word_and_a_pause(Codec::Opus);
    let within = |from: Duration, to: Duration| {
        let sent = story.sent.iter();
        sent.filter(move |sent| (from..to).contains(&sent.at))
            .count()
    };
    assert_eq!(within(WORD, WORD + HELD), 37, "the word is whole");
    let pause = within(WORD + HELD, Duration::from_secs(5));
    assert!((2..=4).contains(&pause), "{pause}");
    for two in story.sent.windows(2) {
        let passed = (two[1].at - two[0].at).as_millis() as u32 * 48;
        assert_eq!(two[1].timestamp.wrapping_sub(two[0].timestamp), passed);
        assert_eq!(two[1].sequence, two[0].sequence.wrapping_add(1));
        assert_eq!(two[1].marker, passed > 960, "at {:?}", two[1].at);
    }
}

#[test]
fn a_phone_is_sent_comfort_noise_in_place_of_pauses() {
    let story = a_word_and_a_pause(Codec::Pcma);
    let pause = story.sent.iter().filter(|sent| sent.at >= WORD + HELD);
    let kinds: Vec<u8> = pause.map(|sent| sent.payload_type).collect();
    assert_eq!(kinds, [13], "one packet, and nothing for two seconds");
}
