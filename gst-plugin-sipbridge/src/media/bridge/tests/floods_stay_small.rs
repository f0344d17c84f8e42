// SPDX-License-Identifier: MPL-2.0
//! Whatever comes, little of it waits.

use super::*;

#[test]
fn thousands_behind_a_hole_do_not_pile_up() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcma);
    let first = story.say(&[0xff; 160], 160);
    story.arrive(&first);
    for _ in 0..500 {
        // Every second one is missing.
        story.say(&[0xff; 160], 160);
        let packet = story.say(&[0xff; 160], 160);
        story.arrive(&packet);
    }
    // All but the last three were passed on or made up for.
    assert!(story.sent.len() >= 990, "{}", story.sent.len());
}

#[test]
fn garbage_is_not_passed_on() {
    let mut story = Story::new(Codec::Opus, Codec::Pcmu);
    let mut packet = story.say(&[0x08, 1, 2, 3, 4, 5, 6, 7], 960);
    for length in (0..packet.len()).rev() {
        packet.truncate(length);
        story.arrive(&packet.clone());
        story.pass(MS);
    }
    let mut random = 1u32;
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..40)
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            })
            .collect();
        story.arrive(&bytes);
        story.pass(MS);
    }
    for payload in spoken(Codec::Opus, 20) {
        let packet = story.say(&payload, 960);
        story.arrive(&packet);
        story.pass(PTIME);
    }
    assert!(story.sent.len() >= 18, "{}", story.sent.len());
    assert!(story.sent.iter().all(|sent| sent.payload.len() == 160));
}
