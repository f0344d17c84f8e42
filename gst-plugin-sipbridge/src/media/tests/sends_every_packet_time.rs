// SPDX-License-Identifier: MPL-2.0
//! Packets of 10, 20, 30, 40 and 60 ms, as the far end asks for them: each of that length, and the
//! whole heard at the other end.

use super::wired::*;
use super::*;
use crate::codec::opus_packet_samples;
use crate::leg::tests::line::Line;

fn tone(sample: u32) -> i16 {
    (f64::sin(f64::from(sample) / 8_000.0 * 440.0 * std::f64::consts::TAU) * 8_000.0) as i16
}

#[test]
fn every_one_is_sent_and_heard() {
    for (codec, times) in [
        (Codec::Pcmu, &[10, 20, 30, 40, 60][..]),
        (Codec::G722, &[10, 20, 30, 40, 60]),
        (Codec::L16, &[10, 20, 30, 40]),
        (Codec::Opus, &[10, 20, 40, 60]),
    ] {
        for ptime_ms in times {
            let mut wired = Wired::new(Setup {
                ptime_ms: *ptime_ms,
                ..Setup::new(Line::clean(), codec)
            });
            wired.say(Duration::from_secs(4), tone);
            let expected = u32::from(*ptime_ms) * codec.clock_rate() / 1_000;
            for payload in &wired.sent {
                let samples = match codec {
                    Codec::Opus => opus_packet_samples(payload).unwrap(),
                    Codec::L16 => payload.len() as u32 / 2,
                    Codec::Pcmu | Codec::Pcma | Codec::G722 => payload.len() as u32,
                };
                assert_eq!(samples, expected, "{codec} at {ptime_ms} ms");
            }
            let packets = 4_000 / usize::from(*ptime_ms);
            assert!(
                wired.sent.len().abs_diff(packets) <= 4,
                "{}",
                wired.sent.len()
            );
            let heard = wired.heard();
            let steady = &heard[heard.len() / 2..];
            let found = pitch(steady, 8_000);
            assert!(
                (found - 440.0).abs() < 5.0,
                "{codec} at {ptime_ms} ms: {found}"
            );
            let gap = longest_gap(steady, 8_000);
            assert!(
                gap < Duration::from_millis(5),
                "{codec} at {ptime_ms} ms: {gap:?}"
            );
        }
    }
}
