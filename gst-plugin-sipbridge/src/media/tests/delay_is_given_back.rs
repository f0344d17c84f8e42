// SPDX-License-Identifier: MPL-2.0
//! A media thread that stood still for long leaves a delay, which is given back where it is quiet: not at
//! the cost of keys pressed meanwhile, which nobody else hears.

use super::wired::*;
use super::*;
use crate::leg::tests::line::Line;

/// Longer than what is made up for.
const STANDSTILL: Duration = Duration::from_millis(100);

#[test]
fn keys_are_as_long_as_they_were_held() {
    const KEYS: &str = "0123456789*#ABCD";
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut wired = Wired::new(Setup::new(Line::clean(), codec));
        wired.listen();
        wired.say(Duration::from_secs(2), voice);
        wired.press(KEYS, 100);
        for _ in 0..4 {
            wired.wait(Duration::from_millis(530));
            wired.hold_up(STANDSTILL);
        }
        wired.wait(Duration::from_secs(2));
        let presses = wired.presses();
        let digits: String = presses.iter().map(|press| press.digit).collect();
        assert_eq!(digits, KEYS, "{codec}");
        for press in presses {
            let ms = press.duration_ms;
            assert!(ms.abs_diff(100) <= 8, "{codec}: {} {ms} ms", press.digit);
        }
    }
}
