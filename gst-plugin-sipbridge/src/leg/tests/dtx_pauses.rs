// SPDX-License-Identifier: MPL-2.0
//! A far end that sends nothing in silence is not mistaken for a broken line.

use super::*;

#[test]
fn speech_after_a_pause_is_whole_and_soon() {
    let mut story = Story::new(Line::jittery(5));
    for _ in 0..20 {
        story.talking = true;
        story.run(Duration::from_millis(1_000));
        story.talking = false;
        story.run(Duration::from_millis(700));
    }
    let numbers = story.numbers();
    assert!(rising(&numbers));
    assert!(numbers.len() >= 20 * 49, "{}", numbers.len());
    assert_eq!(story.bob.stats().lost, 0);
    let talkspurts = story.count(|played| {
        matches!(
            played,
            Played::Packet {
                talkspurt: true,
                ..
            }
        )
    });
    assert_eq!(talkspurts, 20);
    // At the end of each talkspurt nobody can know for a moment that it is one.
    assert!(story.lost() <= 20 * 11, "{}", story.lost());
    assert!(story.bob.stats().depth_ms <= 45.0);
}
