// SPDX-License-Identifier: MPL-2.0
//! The mean opinion of a call follows what is heard of it: loss, lateness, bursts, delay.

use super::*;

/// What Bob thinks of a minute over this line.
fn opinion(line: Line) -> f64 {
    let mut story = Story::with_latency(line, 200 * MS);
    story.elastic = true;
    story.run(Duration::from_secs(60));
    story.bob.stats().mos.unwrap()
}

#[test]
fn a_clean_line_is_good_and_a_lossy_one_is_not() {
    let clean = opinion(Line::clean());
    assert!(clean > 4.35, "{clean}");
    let mut before = clean;
    for percent in [1, 3, 5, 10, 20] {
        let mos = opinion(Line::lossy(percent));
        assert!(mos < before, "{percent} %: {mos}, less: {before}");
        before = mos;
    }
    assert!((1.5..3.0).contains(&before), "{before}");
}

#[test]
fn jitter_that_is_absorbed_costs_little() {
    let mos = opinion(Line::jittery(60));
    assert!(mos > 4.0, "{mos}");
}

#[test]
fn a_moment_is_no_opinion() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_millis(500));
    assert_eq!(story.bob.stats().mos, None);
    assert_eq!(story.bob.stats().remote_mos, None);
}
