// SPDX-License-Identifier: MPL-2.0
//! Messages in what a connection to a TURN server brings (RFC 8656 section 3.1).

/// What tells STUN from all else (RFC 8489 section 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Before the attributes of a message of STUN.
const HEADER: usize = 20;

/// What came and is no whole message yet: never more than the longest one, and one reading.
#[derive(Default)]
pub(super) struct Framing {
    bytes: Vec<u8>,
}

/// It is none of TURN's. Where the next message begins is not known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbage;

impl Framing {
    /// What came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message that is whole.
    pub(super) fn pop(&mut self) -> Result<Option<Vec<u8>>, Garbage> {
        let &[kind, _, high, low, ref rest @ ..] = self.bytes.as_slice() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // RFC 7983: the first two bits tell them apart.
        let (message, padded) = match kind >> 6 {
            0 => {
                let cookie = &rest[..rest.len().min(COOKIE.len())];
                if !COOKIE.starts_with(cookie) || length & 3 != 0 {
                    return Err(Garbage);
                }
                (HEADER + length, HEADER + length)
            }
            // Channel data, padded over a connection (RFC 8656 section 12.5).
            1 => (4 + length, 4 + length.next_multiple_of(4)),
            _ => return Err(Garbage),
        };
        if self.bytes.len() < padded {
            return Ok(None);
        }
        let mut whole: Vec<u8> = self.bytes.drain(..padded).collect();
        whole.truncate(message);
        Ok(Some(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: usize) -> Vec<u8> {
        let mut message = vec![0x01, 0x13, 0, attributes as u8];
        message.extend_from_slice(&COOKIE);
        message.resize(HEADER + attributes, 7);
        message
    }

    const CHANNEL: [u8; 12] = [0x40, 0x00, 0x00, 0x05, 1, 2, 3, 4, 5, 0, 0, 0];

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let stream = [&message(8)[..], &CHANNEL[..], &message(0)[..]].concat();
        let expected = [message(8), CHANNEL[..9].to_vec(), message(0)];
        for length in 1..=stream.len() {
            let mut framing = Framing::default();
            let mut found = Vec::new();
            for piece in stream.chunks(length) {
                framing.push(piece);
                while let Some(message) = framing.pop().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, expected, "{length}");
            assert!(framing.bytes.is_empty());
        }
    }

    #[test]
    fn garbage_is_not_kept() {
        let mut odd = message(4);
        odd[3] = 3;
        let alert = b"\x15\x03\x01\x00\x02\x02\x28";
        for garbage in [&alert[..], &[0; 8][..], &[0xff; 4][..], &odd[..]] {
            let mut framing = Framing::default();
            framing.push(garbage);
            assert_eq!(framing.pop(), Err(Garbage), "{garbage:?}");
        }
    }
}
