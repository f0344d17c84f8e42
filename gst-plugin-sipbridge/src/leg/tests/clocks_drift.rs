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
