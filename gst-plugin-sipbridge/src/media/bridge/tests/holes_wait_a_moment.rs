// SPDX-License-Identifier: MPL-2.0
//! A packet that was overtaken is put back in its place, and one that never comes is not waited for.

use super::*;

fn numbers(story: &Story) -> Vec<u8> {
    story.sent.iter().map(|sent| sent.payload[0]).collect()
}

/// Packets whose payload is their number.
fn packets(story: &mut Story, count: u8) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| story.say(&[number; 160], 160))
        .collect()
}

#[test]
fn overtaken_packets_leave_in_order() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    let packets = packets(&mut story, 6);
    for number in [0, 2, 1, 5, 3, 4] {
        story.arrive(&packets[number]);
        story.pass(2 * MS);
    }
    assert_eq!(numbers(&story), [0, 1, 2, 3, 4, 5]);
    assert_eq!(story.from.stats().concealed_frames, 0);
}

#[test]
fn after_a_moment_the_rest_goes_on() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    let packets = packets(&mut story, 4);
    story.arrive(&packets[0]);
    story.arrive(&packets[2]);
    assert_eq!(numbers(&story), [0]);
    let due = story.from.relay_due().unwrap();
    assert!(due - story.now <= 30 * MS);
    story.pass(due - story.now);
    story.run();
    assert_eq!(numbers(&story), [0, 2]);
    assert_eq!(story.from.relay_due(), None);
    // Now it is late, and must not come after its time.
    story.arrive(&packets[1]);
    story.arrive(&packets[3]);
    assert_eq!(numbers(&story), [0, 2, 3]);
    assert_eq!(story.from.stats().late, 1);
}

#[test]
fn doubled_packets_leave_once() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    for packet in packets(&mut story, 5) {
        story.arrive(&packet);
        story.arrive(&packet);
    }
    assert_eq!(numbers(&story), [0, 1, 2, 3, 4]);
}
