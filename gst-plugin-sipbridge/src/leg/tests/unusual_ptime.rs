// SPDX-License-Identifier: MPL-2.0
//! Packets of 10, 30, 40 and 60 ms play as evenly as those of 20.

use super::*;

#[test]
fn every_packet_time_plays_whole() {
    for ptime_ms in [10, 30, 40, 60] {
        let mut story = Story::new(Line::jittery(3));
        story.ptime_ms = ptime_ms;
        story.run(Duration::from_secs(30));
        let numbers = story.numbers();
        assert!(rising(&numbers));
        let expected = 30_000 / ptime_ms as usize;
        assert!(
            numbers.len() + 8 > expected,
            "{} of {expected}",
            numbers.len()
        );
        assert!(story.lost() <= 2, "{} at {ptime_ms} ms", story.lost());
        let depth = story.bob.stats().depth_ms;
        assert!(depth <= 60.0, "{depth} at {ptime_ms} ms");
    }
}

#[test]
fn a_far_end_may_change_it_without_a_word() {
    let mut story = Story::new(Line::clean());
    for ptime_ms in [20, 60, 10, 30] {
        story.ptime_ms = ptime_ms;
        story.run(Duration::from_secs(5));
    }
    assert!(rising(&story.numbers()));
    assert!(story.lost() <= 6, "{}", story.lost());
}
