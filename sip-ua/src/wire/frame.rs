// SPDX-License-Identifier: MPL-2.0
//! Where a message on a stream ends (RFC 3261 §18.3).

use super::scan;

/// Why nobody can tell where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("it has a body, but no Content-Length")]
    NoLength,
    #[error("its Content-Length is not a number, or there are several that differ")]
    BadLength,
}

/// Where the head ends that `text` begins with: behind its empty line. Nothing before `from` is
/// looked at again.
pub fn head_end(text: &[u8], from: usize) -> Option<usize> {
    // The line end in front of the empty line may already have been looked at.
    let mut at = from.saturating_sub(2);
    loop {
        at += 1 + memchr::memchr(b'\n', text.get(at..)?)?;
        match text.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// How long the body is that follows this head. Unlike the reader this looks at nothing else, so
/// that a message with faults elsewhere takes nobody's stream away.
pub fn body_length(head: &[u8]) -> Result<u64, FrameError> {
    let mut length = None;
    let mut has_type = false;
    let mut lines = head
        .split(|octet| *octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip(1)
        .peekable();
    while let Some(line) = lines.next() {
        let Some((name, value)) = scan::split_once(line, b':') else {
            continue;
        };
        let name = scan::trim(name);
        has_type |= name.eq_ignore_ascii_case(b"Content-Type") || name.eq_ignore_ascii_case(b"c");
        if !name.eq_ignore_ascii_case(b"Content-Length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let mut value = value.to_vec();
        while let Some(more) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            value.extend_from_slice(more);
        }
        let number = scan::number(scan::trim(&value), u64::from(u32::MAX));
        let number = number.ok_or(FrameError::BadLength)?;
        if length
            .replace(number)
            .is_some_and(|before| before != number)
        {
            return Err(FrameError::BadLength);
        }
    }
    match length {
        Some(length) => Ok(length),
        // Not said is none, if nothing speaks of a body.
        None if !has_type => Ok(0),
        None => Err(FrameError::NoLength),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_behind_its_empty_line() {
        assert_eq!(head_end(b"A\r\nB: c\r\n\r\nbody\r\n\r\n", 0), Some(11));
        assert_eq!(head_end(b"A\nB: c\n\nbody", 0), Some(8));
        assert_eq!(head_end(b"A\r\nB: c\r\n\r", 0), None);
        assert_eq!(head_end(b"A", 0), None);
        // However far it was looked at before.
        let text = b"A\r\nB: c\r\n\r\n";
        for from in 0..text.len() {
            assert_eq!(head_end(text, from), Some(11), "{from}");
        }
    }

    #[test]
    fn lengths_in_every_spelling() {
        let length = |fields: &str| body_length(format!("A\r\n{fields}\r\n\r\n").as_bytes());
        assert_eq!(length("Content-Length: 7"), Ok(7));
        assert_eq!(length("l:7"), Ok(7));
        assert_eq!(length("CONTENT-LENGTH :\r\n  7"), Ok(7));
        assert_eq!(length("no colon\r\nL: 7"), Ok(7));
        assert_eq!(length("l: 7\r\nContent-Length: 7"), Ok(7));
        assert_eq!(length("Subject: none"), Ok(0));
        assert_eq!(length("c: application/sdp"), Err(FrameError::NoLength));
        for bad in ["l: -1", "l:", "l: 7, 7", "l: 7\r\nl: 8", "l: 99999999999"] {
            assert_eq!(length(bad), Err(FrameError::BadLength), "{bad}");
        }
    }
}
