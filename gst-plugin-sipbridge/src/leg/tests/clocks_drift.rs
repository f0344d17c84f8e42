// SPDX-License-Identifier: MPL-2.0
//! The far end's clock is a little fast or slow for ten minutes: the delay does not creep.

use super::*;

#[test]
fn drift_is_absorbed_where_it_is_quiet() {
    for drift_ppm in [-300, 300] {
        let mut story = Story::new(Line::jittery(4));
        story.drift_ppm = drift_ppm;
        for _ in 0..150 {
            story.quiet = false;
            story.run(Duration::from_secs(3));
            story.quiet = true;
            story.run(Duration::from_secs(1));
            let depth = story.bob.stats().depth_ms;
            assert!((0.0..=65.0).contains(&depth), "{depth} at {drift_ppm}");
            story.heard.truncate(10);
        }
    }
}

#[test]
fn drift_without_any_quiet_costs_a_piece_now_and_then() {
    let mut story = Story::new(Line::clean());
    story.drift_ppm = 300;
    story.run(Duration::from_secs(900));
    let depth = story.bob.stats().depth_ms;
    assert!(depth <= 130.0, "{depth}");
    assert!(rising(&story.numbers()));
}

#[test]
fn drift_is_absorbed_in_speech_by_a_tempo_nobody_hears() {
    for drift_ppm in [-300, 300] {
        let mut story = Story::new(Line::jittery(4));
        story.drift_ppm = drift_ppm;
        story.elastic = true;
        story.run(Duration::from_secs(30));
        story.chapter();
        let mut sum = 0.0;
        for _ in 0..570 {
            story.run(Duration::from_secs(1));
            let depth = story.bob.stats().depth_ms;
            assert!((0.0..=85.0).contains(&depth), "{depth} at {drift_ppm}");
            sum += depth;
        }
        // Ten minutes at 300 ppm are 180 ms: every packet is played all the same.
        let numbers = story.numbers();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        assert_eq!(story.lost() + story.silent(), 0, "at {drift_ppm}");
        let mean = sum / 570.0;
        assert!((5.0..=70.0).contains(&mean), "{mean} at {drift_ppm}");
        assert!((15..=60).contains(&story.changes), "{}", story.changes);
    }
}
