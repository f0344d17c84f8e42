// SPDX-License-Identifier: MPL-2.0
//! A far end that pauses is heard again at the right time: a pause is no loss.

use super::*;

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
