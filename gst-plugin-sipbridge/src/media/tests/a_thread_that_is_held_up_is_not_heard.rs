// SPDX-License-Identifier: MPL-2.0
//! The machine stands still for a moment in the middle of speech: what was due meanwhile is made up for.

use super::wired::*;
use super::*;
use crate::leg::tests::line::Line;

/// Alice speaks for a while; in its middle Bob's media thread does not run for this long.
fn held_up(codec: Codec, time: Duration) -> Wired {
    let mut wired = Wired::new(Setup::new(Line::jittery(10), codec));
    wired.say(Duration::from_secs(5), voice);
    wired.heard();
    wired.hold_up(time);
    wired.say(Duration::from_secs(5), voice);
    wired
}

#[test]
fn fifty_milliseconds_leave_no_hole_and_no_delay() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut wired = held_up(codec, Duration::from_millis(50));
        let heard = wired.heard();
        assert!(heard.len().abs_diff(40_000) <= 160, "{}", heard.len());
        assert_eq!(holes(&heard), 0.0, "{codec}");
        let stats = wired.bob.stats();
        assert!(stats.depth_ms < 45.0, "{codec}: {}", stats.depth_ms);
    }
}

#[test]
fn what_is_far_too_late_is_skipped() {
    let mut wired = held_up(Codec::Pcmu, Duration::from_millis(150));
    let gap = longest_gap(&wired.heard(), 8_000);
    let expected = Duration::from_millis(125)..Duration::from_millis(175);
    assert!(expected.contains(&gap), "{gap:?}");
}
