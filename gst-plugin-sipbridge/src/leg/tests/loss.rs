// SPDX-License-Identifier: MPL-2.0
//! What is lost is concealed, once, and nothing else is harmed by it.

use super::*;

#[test]
fn ten_percent_is_concealed_packet_for_packet() {
    let mut story = Story::new(Line::lossy(10));
    story.run(Duration::from_secs(60));
    let numbers = story.numbers();
    assert!(rising(&numbers));
    let missing = numbers.last().unwrap() + 1 - numbers.len() as u32;
    assert!((200..400).contains(&missing), "{missing} of 3000");
    assert_eq!(story.lost() as u32, missing);
    let stats = story.bob.stats();
    assert!((stats.lost - i64::from(missing)).abs() <= 3);
    assert_eq!(stats.concealed_frames, u64::from(missing));
    assert!(story.silent() <= 3);
    assert!(stats.depth_ms <= 40.0, "{}", stats.depth_ms);
}

#[test]
fn the_packet_after_a_lost_one_is_at_hand_where_the_line_gives_time() {
    let mut story = Story::new(Line {
        jitter: 30 * MS,
        ..Line::lossy(5)
    });
    story.run(Duration::from_secs(60));
    let helped = story.count(|played| *played == Played::Lost { helped: true });
    let lost = story.lost();
    assert!(helped * 2 > lost, "{helped} of {lost}");
}

#[test]
fn a_second_without_the_network_ends_in_silence_and_then_goes_on() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(5));
    story.chapter();
    story.line.loss_percent = 100;
    story.run(Duration::from_secs(1));
    story.line.loss_percent = 0;
    story.run(Duration::from_secs(1));
    // Concealment fades out after 200 ms; it must not drone on.
    assert!(story.lost() <= 11, "{}", story.lost());
    let (back, _) = story
        .heard
        .iter()
        .skip_while(|(_, played)| *played != Played::Silence)
        .find(|(_, played)| matches!(played, Played::Packet { .. }))
        .unwrap();
    assert!(*back < Duration::from_millis(6_080), "{back:?}");
    let stats = story.bob.stats();
    assert!(stats.depth_ms <= 45.0, "{}", stats.depth_ms);
}
