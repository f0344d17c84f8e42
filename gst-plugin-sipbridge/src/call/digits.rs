// SPDX-License-Identifier: MPL-2.0
//! Digits that come as SIP INFO, and digits that come twice.

use std::time::{Duration, Instant};

/// What an INFO of type `application/dtmf-relay` is sent and read as.
pub(super) const RELAY: &str = "application/dtmf-relay";

/// The body that presses one key.
pub(super) fn relay_body(digit: char, duration_ms: u32) -> Vec<u8> {
    format!("Signal={digit}\r\nDuration={duration_ms}\r\n").into_bytes()
}

/// Reads the key of an INFO; `None` if it is of another kind.
pub(super) fn read_info(content_type: &str, body: &[u8]) -> Option<(char, u32)> {
    const DEFAULT_MS: u32 = 160;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let text = String::from_utf8_lossy(body);
    if kind.eq_ignore_ascii_case("application/dtmf") {
        return Some((digit(text.trim())?, DEFAULT_MS));
    }
    if !kind.eq_ignore_ascii_case(RELAY) {
        return None;
    }
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let duration = value("Duration")
        .and_then(|ms| ms.parse().ok())
        .unwrap_or(DEFAULT_MS);
    Some((digit(&value("Signal")?)?, duration))
}

/// `10` and `11` are what some phones write for `*` and `#`.
fn digit(text: &str) -> Option<char> {
    let mut chars = text.chars();
    match (text, chars.next(), chars.next()) {
        ("10", ..) => Some('*'),
        ("11", ..) => Some('#'),
        (_, Some(key), None) => is_key(key.to_ascii_uppercase()).then(|| key.to_ascii_uppercase()),
        _ => None,
    }
}

/// Whether this is a key of a telephone.
pub(super) fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')
}

/// How a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Rtp,
    Info,
}

/// Some phones send a key both as RFC 4733 and as INFO: it is one key.
#[derive(Debug, Default)]
pub(super) struct DigitMerge {
    last: Option<(Way, char, Instant)>,
}

impl DigitMerge {
    const SAME_PRESS: Duration = Duration::from_millis(800);

    /// Whether this digit is news.
    pub(super) fn is_new(&mut self, now: Instant, way: Way, digit: char) -> bool {
        let twin = self.last.is_some_and(|(other, key, at)| {
            other != way && key == digit && now.duration_since(at) < Self::SAME_PRESS
        });
        // A twin is consumed, so that the next press of the same key counts again.
        self.last = if twin { None } else { Some((way, digit, now)) };
        !twin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_info_are_read() {
        assert_eq!(
            read_info(RELAY, b"Signal=5\r\nDuration=250\r\n"),
            Some(('5', 250))
        );
        assert_eq!(
            read_info("Application/DTMF-Relay;x=y", b"signal = #\n"),
            Some(('#', 160))
        );
        assert_eq!(read_info("application/dtmf", b"*\r\n"), Some(('*', 160)));
        assert_eq!(read_info(RELAY, b"Signal=11\r\n"), Some(('#', 160)));
        assert_eq!(read_info("application/dtmf", b"d"), Some(('D', 160)));
        assert_eq!(read_info("application/dtmf", b"55"), None);
        assert_eq!(read_info("text/plain", b"5"), None);
        assert_eq!(read_info(RELAY, b"Signal=\r\n"), None);
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read_info(RELAY, &relay_body('#', 100)), Some(('#', 100)));
    }

    #[test]
    fn a_key_that_comes_both_ways_is_told_once_and_can_be_pressed_again() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut merge = DigitMerge::default();
        assert!(merge.is_new(at(0), Way::Rtp, '1'));
        assert!(!merge.is_new(at(30), Way::Info, '1'));
        assert!(merge.is_new(at(200), Way::Rtp, '1'));
        assert!(!merge.is_new(at(230), Way::Info, '1'));
        assert!(merge.is_new(at(400), Way::Rtp, '1'));
        assert!(merge.is_new(at(500), Way::Rtp, '1'));
        assert!(merge.is_new(at(2000), Way::Info, '1'));
    }
}
