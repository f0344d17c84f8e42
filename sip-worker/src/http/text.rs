// SPDX-License-Identifier: MPL-2.0
//! Text from outside, before any of it reaches a SIP message, a log line or a room.

use axum::http::StatusCode;

use crate::problem::Problem;

/// Longest value taken for one field.
const LONGEST: usize = 256;

/// Refuses what could start a new line or end a string where it does not belong.
pub fn one_line<'a>(field: &str, value: &'a str) -> Result<&'a str, Problem> {
    if let Some(bad) = value.chars().find(|c| c.is_control()) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!(
                "'{field}' holds the control character {}",
                bad.escape_unicode()
            ),
            "line breaks, NUL and other control characters are never allowed",
        ));
    }
    if value.len() > LONGEST {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("'{field}' is longer than {LONGEST} bytes"),
            "shorten it",
        ));
    }
    Ok(value)
}

/// A room's or participant's name: `[A-Za-z0-9._-]{1,64}`.
pub fn name<'a>(field: &str, value: &'a str) -> Result<&'a str, Problem> {
    let fits = (1..=64).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits {
        return Ok(value);
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        format!("'{field}' is no name for this"),
        "use 1 to 64 of A-Z a-z 0-9 . _ -",
    ))
}

/// A header of a caller's own making: `X-…`, so that none of SIP's own can be forged or doubled.
pub fn header_name(value: &str) -> Result<&str, Problem> {
    let own = value
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    let token = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if own && token && (3..=64).contains(&value.len()) {
        return Ok(value);
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        format!("'headers' may not set {value:?}"),
        "names begin with X- and hold A-Z a-z 0-9 - _ . only",
    ))
}

/// Digits for a telephone.
pub fn digits(value: &str) -> Result<&str, Problem> {
    let fits = (1..=64).contains(&value.len())
        && value
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D'));
    if fits {
        return Ok(value);
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "'digits' are not those of a telephone",
        "use 1 to 64 of 0-9 * # A-D",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_breaks_a_line_gets_through() {
        for bad in ["a\r\nVia: x", "a\nb", "a\0b", "\u{7f}", "\u{85}"] {
            assert!(one_line("to", bad).is_err(), "{bad:?}");
        }
        assert_eq!(one_line("name", "Zoë <3"), Ok("Zoë <3"));
        assert!(one_line("name", &"x".repeat(257)).is_err());
    }

    #[test]
    fn names_and_digits_keep_to_their_alphabet() {
        assert!(name("room", "lobby-1.a_b").is_ok());
        assert!(
            name("room", "").is_err()
                && name("room", "a b").is_err()
                && name("room", &"x".repeat(65)).is_err()
        );
        assert!(header_name("X-Room-ID").is_ok() && header_name("x-a").is_ok());
        assert!(
            header_name("Via").is_err()
                && header_name("X-").is_err()
                && header_name("X-a: b").is_err()
        );
        assert!(digits("12#*D").is_ok() && digits("").is_err() && digits("1;2").is_err());
    }
}
