// SPDX-License-Identifier: MPL-2.0
//! Whatever the stream, and however it is cut: nothing panics, no more is kept than is bounded, and
//! a message that stands behind things whose end is known comes out as it went in.

use proptest::prelude::*;
use sip_ua::transport::{Frame, Framer};

#[derive(Debug, Clone)]
enum Piece {
    Message {
        body: Vec<u8>,
        compact: bool,
    },
    LineEnds(usize),
    /// A head that is no SIP.
    Nonsense(String),
    /// A body that nobody wants.
    TooLong(usize),
}

impl Piece {
    fn octets(&self) -> Vec<u8> {
        match self {
            Piece::Message { body, compact } => {
                let name = if *compact { "l" } else { "Content-Length" };
                let head = format!(
                    "INFO sip:a@b SIP/2.0\r\nc: x/y\r\n{name}: {}\r\n\r\n",
                    body.len()
                );
                [head.as_bytes(), body].concat()
            }
            Piece::LineEnds(count) => b"\r\n".repeat(*count),
            Piece::Nonsense(text) => format!("{text}\r\n\r\n").into_bytes(),
            Piece::TooLong(more) => {
                let length = 65_537 + more;
                let head = format!("INFO sip:a@b SIP/2.0\r\nl: {length}\r\n\r\n");
                [
                    head.into_bytes(),
                    b"INFO \r\n".repeat(length)[..length].to_vec(),
                ]
                .concat()
            }
        }
    }
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        4 => (prop::collection::vec(any::<u8>(), 0..300), any::<bool>())
            .prop_map(|(body, compact)| Piece::Message { body, compact }),
        2 => (0usize..5).prop_map(Piece::LineEnds),
        1 => "[a-z ]{1,40}".prop_map(Piece::Nonsense),
        1 => (0usize..2_000).prop_map(Piece::TooLong),
    ]
}

fn frames(stream: &[u8], cuts: &[usize]) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    let mut cuts = cuts.iter().cycle();
    let mut rest = stream;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
        rest = after;
        framer.push(chunk);
        found.extend(std::iter::from_fn(|| framer.poll_frame()));
    }
    assert_eq!(framer.buffered(), 0);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn messages_survive_what_stands_between_them(
        pieces in prop::collection::vec(piece(), 0..12),
        cuts in prop::collection::vec(1usize..3_000, 1..8),
    ) {
        let stream: Vec<u8> = pieces.iter().flat_map(Piece::octets).collect();
        let found: Vec<Vec<u8>> = frames(&stream, &cuts)
            .into_iter()
            .filter_map(|frame| match frame {
                Frame::Message(message) => Some(message),
                Frame::Ping => None,
                Frame::Endless { .. } => panic!("every end is known"),
            })
            .filter(|message| message.windows(6).any(|part| part == b"c: x/y"))
            .collect();
        let expected: Vec<Vec<u8>> = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Message { .. }))
            .map(Piece::octets)
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_octets_do_no_harm(
        octets in prop::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'l'), any::<u8>()],
            0..4_000,
        ),
        cut in 1usize..200,
    ) {
        let whole = {
            let mut framer = Framer::default();
            framer.push(&octets);
            std::iter::from_fn(|| framer.poll_frame()).collect::<Vec<_>>()
        };
        let mut framer = Framer::default();
        let mut found = Vec::new();
        for chunk in octets.chunks(cut) {
            framer.push(chunk);
            found.extend(std::iter::from_fn(|| framer.poll_frame()));
            prop_assert!(framer.buffered() <= octets.len());
        }
        prop_assert_eq!(found, whole);
    }
}
