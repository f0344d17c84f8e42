// SPDX-License-Identifier: MPL-2.0
//! Packets that overtake each other, or come twice, are played in order and once.

use super::*;

#[test]
fn order_is_restored_and_doubles_are_dropped() {
    let mut story = Story::new(Line {
        jitter: 25 * MS,
        reorders: true,
        doubled_percent: 30,
        ..Line::clean()
    });
    story.run(Duration::from_secs(60));
    let numbers = story.numbers();
    assert!(rising(&numbers));
    assert!(numbers.len() > 2_980, "{}", numbers.len());
    let stats = story.bob.stats();
    assert!(stats.duplicates > 800, "{}", stats.duplicates);
    assert!(stats.late < 20, "{}", stats.late);
    assert_eq!(story.silent().saturating_sub(3), 0);
}
