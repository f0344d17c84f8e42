// SPDX-License-Identifier: MPL-2.0
//! Packets come up to 60 ms later than others: nobody hears that, and it costs no more delay than it
//! must.

use super::wired::*;
use super::*;
use crate::leg::tests::line::Line;

#[test]
fn speech_goes_on_without_a_hole() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut wired = Wired::new(Setup::new(Line::jittery(60), codec));
        wired.say(Duration::from_secs(10), voice);
        wired.heard();
        let before = wired.bob.stats().concealed_frames;
        wired.say(Duration::from_secs(30), voice);
        let heard = wired.heard();
        let gap = longest_gap(&heard, 8_000);
        assert!(gap < Duration::from_millis(15), "{codec}: {gap:?}");
        let holes = holes(&heard);
        assert!(holes < 0.002, "{codec}: {holes}");
        let stats = wired.bob.stats();
        let concealed = stats.concealed_frames - before;
        assert!(concealed < 15, "{codec}: {concealed} of 1500");
        assert!(stats.depth_ms < 100.0, "{codec}: {}", stats.depth_ms);
        let mos = stats.mos.unwrap();
        assert!(mos > 4.0, "{codec}: {mos}");
    }
}

#[test]
fn when_it_ceases_the_delay_is_given_back_while_somebody_speaks() {
    let mut wired = Wired::new(Setup::new(Line::jittery(60), Codec::Pcmu));
    wired.say(Duration::from_secs(20), voice);
    let deep = wired.bob.stats().depth_ms;
    wired.line.jitter = Duration::ZERO;
    wired.heard();
    wired.say(Duration::from_secs(40), voice);
    let stats = wired.bob.stats();
    assert!(
        stats.depth_ms <= 66.0 && deep > 55.0,
        "{deep} {}",
        stats.depth_ms
    );
    let heard = wired.heard();
    assert!(holes(&heard) == 0.0);
    let gap = longest_gap(&heard, 8_000);
    assert!(gap < Duration::from_millis(15), "{gap:?}");
}
