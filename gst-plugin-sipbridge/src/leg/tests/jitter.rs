// SPDX-License-Identifier: MPL-2.0
//! The buffer grows with the line's jitter, shrinks back in silence, and never stops to refill.

use super::*;

#[test]
fn it_grows_until_next_to_nothing_is_late() {
    for ms in [20, 40, 60] {
        let mut story = Story::with_latency(Line::jittery(ms), 120 * MS);
        story.run(Duration::from_secs(10));
        story.chapter();
        story.run(Duration::from_secs(60));
        let lost = story.lost();
        assert!(lost < 60, "{lost} concealed of 3000 at {ms} ms");
        assert_eq!(story.silent(), 0);
        let stats = story.bob.stats();
        assert!(stats.depth_ms < f64::from(ms) + 45.0, "{}", stats.depth_ms);
    }
}

#[test]
fn who_can_play_faster_gets_the_delay_back_while_the_far_end_talks() {
    let mut story = Story::with_latency(Line::jittery(60), 200 * MS);
    story.elastic = true;
    story.run(Duration::from_secs(10));
    story.chapter();
    story.run(Duration::from_secs(60));
    assert!(story.lost() < 30, "{} concealed of 3000", story.lost());
    assert_eq!(story.silent(), 0);
    story.line.jitter = Duration::ZERO;
    story.run(Duration::from_secs(45));
    let depth = story.bob.stats().depth_ms;
    assert!(depth <= 66.0, "{depth}");
    let numbers = story.numbers();
    assert!(
        numbers
            .windows(2)
            .filter(|pair| pair[0] + 1 != pair[1])
            .count()
            < 30
    );
}

#[test]
fn it_stays_below_the_latency_allowed() {
    let mut story = Story::with_latency(Line::jittery(150), 60 * MS);
    story.run(Duration::from_secs(60));
    let stats = story.bob.stats();
    assert!(stats.target_ms <= 60.0, "{}", stats.target_ms);
    assert_eq!(story.silent().saturating_sub(8), 0);
}

#[test]
fn it_shrinks_back_when_the_line_is_clean_and_it_is_quiet() {
    let mut story = Story::with_latency(Line::jittery(80), 120 * MS);
    story.run(Duration::from_secs(20));
    assert!(story.bob.stats().depth_ms > 60.0);
    story.line.jitter = Duration::ZERO;
    story.run(Duration::from_secs(20));
    story.quiet = true;
    story.run(Duration::from_secs(5));
    let stats = story.bob.stats();
    assert!(stats.depth_ms <= 40.0, "{}", stats.depth_ms);
    assert!(stats.skipped_ms >= 20);
    assert!(rising(&story.numbers()));
}

#[test]
fn one_spike_costs_a_little_concealment_and_no_packet() {
    let mut story = Story::with_latency(Line::clean(), 200 * MS);
    story.run(Duration::from_secs(10));
    story.chapter();
    story.line.delay += 60 * MS;
    story.run(MS * 100);
    story.line.delay -= 60 * MS;
    story.run(Duration::from_secs(2));
    let numbers = story.numbers();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert!(story.lost() <= 5, "{}", story.lost());
    assert_eq!(story.silent(), 0);
}
