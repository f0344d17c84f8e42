// SPDX-License-Identifier: MPL-2.0
//! Digits are sent and heard once each, in order, with their length.

use super::*;

#[test]
fn every_key_arrives_once_with_its_length() {
    asserted_steadily(|| {
        let (_context, a, b) = call(Codec::Pcmu);
        a.media.send_digits("15*#d", 80).unwrap();
        for expected in ['1', '5', '*', '#', 'D'] {
            let event = b.wait_for(|event| matches!(event, MediaEvent::Digit { .. }));
            let duration_ms = 80;
            assert_eq!(
                event,
                MediaEvent::Digit {
                    digit: expected,
                    duration_ms
                }
            );
        }
        a.wait_for(|event| *event == MediaEvent::DigitsSent);
    });
}

#[test]
fn what_is_no_key_is_refused() {
    let (_context, a, _b) = call(Codec::Pcmu);
    assert_eq!(
        a.media.send_digits("1x", 80),
        Err(DigitsError::NotADigit('x'))
    );
}
