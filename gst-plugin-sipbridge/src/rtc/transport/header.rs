// SPDX-License-Identifier: MPL-2.0
//! RTP headers with their extensions (RFC 3550 section 5.1, RFC 8285).

use rtp_types::{RtpPacket, RtpPacketBuilder};

use super::Outgoing;
use crate::rtc::plan::HeaderExtension;

/// RFC 8285 section 4.2: elements of a one-byte header.
const ONE_BYTE: u16 = 0xbede;

/// RFC 8285 section 4.3: elements of a two-byte header; the last four bits are the application's.
const TWO_BYTE: u16 = 0x1000;

/// In one-byte form a name may be this long.
const NAME_MAX: usize = 16;

/// What the extensions of a packet say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions<'a> {
    /// RFC 8843 section 15.
    pub(super) mid: Option<&'a str>,
    /// RFC 6464: dB below full scale, and whether it is voice.
    pub(super) level: Option<(u8, bool)>,
}

impl<'a> Extensions<'a> {
    /// `known`: what their numbers mean.
    pub(super) fn read(
        packet: &'a RtpPacket<'_>,
        known: &[(u8, HeaderExtension)],
    ) -> Extensions<'a> {
        let mut found = Extensions::default();
        let Some((profile, mut rest)) = packet.extension() else {
            return found;
        };
        let two_byte = profile & 0xfff0 == TWO_BYTE;
        if profile != ONE_BYTE && !two_byte {
            return found;
        }
        while let Some((first, after)) = rest.split_first() {
            let (number, length, after) = match (*first, two_byte) {
                // Padding.
                (0, _) => {
                    rest = after;
                    continue;
                }
                (number, true) => match after.split_first() {
                    Some((length, after)) => (number, usize::from(*length), after),
                    None => break,
                },
                // Reserved: what follows is to be passed over.
                (first, false) if first >> 4 == 15 => break,
                (first, false) => (first >> 4, usize::from(first & 0x0f) + 1, after),
            };
            let Some((data, after)) = after.split_at_checked(length) else {
                break;
            };
            let known = known.iter().find(|(known, _)| *known == number);
            match known.map(|(_, extension)| extension) {
                Some(HeaderExtension::Mid) => found.mid = std::str::from_utf8(data).ok(),
                Some(HeaderExtension::AudioLevel) => {
                    found.level = data.first().map(|byte| (byte & 0x7f, byte & 0x80 != 0));
                }
                None => {}
            }
            rest = after;
        }
        found
    }
}

/// The level that a packet tells (RFC 6464), in dB below full scale, where its extension has this number.
pub(crate) fn told_level(packet: &RtpPacket<'_>, number: u8) -> Option<u8> {
    let known = [(number, HeaderExtension::AudioLevel)];
    let (level, _) = Extensions::read(packet, &known).level?;
    Some(level)
}

/// A packet as it goes out, before it is encrypted, in place of what is in `bytes`; `None`: it cannot be written.
pub(super) fn write(
    ssrc: u32,
    mid: &str,
    packet: &Outgoing<'_>,
    known: &[(u8, HeaderExtension)],
    mut bytes: Vec<u8>,
) -> Option<Vec<u8>> {
    // Both fit: 2 + 16 + 2 bytes, and padding.
    let mut elements = [0_u8; 24];
    let mut length = 0;
    let mut element = |number: u8, data: &[u8]| {
        let place = elements.get_mut(length..=length + data.len());
        let (Some([head, rest @ ..]), 1..15) = (place, number) else {
            return;
        };
        *head = number << 4 | (data.len() - 1) as u8;
        rest.copy_from_slice(data);
        length += 1 + data.len();
    };
    for (number, extension) in known {
        match (extension, packet.level) {
            (HeaderExtension::Mid, _) if (1..=NAME_MAX).contains(&mid.len()) => {
                element(*number, mid.as_bytes());
            }
            (HeaderExtension::AudioLevel, Some((level, voice))) => {
                element(*number, &[u8::from(voice) << 7 | level.min(127)]);
            }
            _ => {}
        }
    }
    let elements = elements.get(..length.next_multiple_of(4))?;
    let builder = RtpPacketBuilder::<&[u8], &[u8]>::new()
        .payload_type(packet.pt)
        .marker_bit(packet.marker)
        .sequence_number(packet.sequence as u16)
        .timestamp(packet.timestamp)
        .ssrc(ssrc)
        .payload(packet.payload);
    let builder = match elements.is_empty() {
        true => builder,
        false => builder.extension(ONE_BYTE, elements),
    };
    // With room for a tag.
    bytes.clear();
    bytes.reserve(packet.payload.len() + 12 + 4 + 24 + 16);
    builder.write_into_vec(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(u8, HeaderExtension); 2] =
        [(4, HeaderExtension::Mid), (9, HeaderExtension::AudioLevel)];

    fn outgoing(payload: &[u8]) -> Outgoing<'_> {
        Outgoing {
            pt: 111,
            sequence: 0x2_0007,
            timestamp: 960,
            marker: true,
            level: Some((30, true)),
            payload,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = write(5, "audio0", &outgoing(b"hello"), &KNOWN, Vec::new()).unwrap();
        let packet = RtpPacket::parse(&written).unwrap();
        assert_eq!(packet.payload(), b"hello");
        assert_eq!((packet.ssrc(), packet.sequence_number()), (5, 7));
        assert!(packet.marker_bit());
        let found = Extensions::read(&packet, &KNOWN);
        assert_eq!(
            found,
            Extensions {
                mid: Some("audio0"),
                level: Some((30, true)),
            }
        );
        assert_eq!(Extensions::read(&packet, &[]), Extensions::default());
    }

    #[test]
    fn without_extensions_there_is_no_header_for_them() {
        let written = write(5, "audio0", &outgoing(b"hello"), &[], Vec::new()).unwrap();
        assert_eq!(written.len(), 12 + 5);
    }

    /// RFC 8285 section 4.3, with padding between elements.
    #[test]
    fn two_byte_headers_are_read() {
        let mut bytes = write(5, "", &outgoing(b""), &[], Vec::new()).unwrap();
        bytes[0] |= 0x10;
        bytes.extend_from_slice(&[0x10, 0x00, 0, 2, 9, 1, 0x83, 0, 4, 1, b'7', 0]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        let found = Extensions::read(&packet, &KNOWN);
        assert_eq!((found.mid, found.level), (Some("7"), Some((3, true))));
    }

    #[test]
    fn an_element_longer_than_the_header_is_none() {
        let mut bytes = write(5, "", &outgoing(b""), &[], Vec::new()).unwrap();
        bytes[0] |= 0x10;
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x4f, b'a', b'b', b'c']);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(Extensions::read(&packet, &KNOWN), Extensions::default());
    }
}
