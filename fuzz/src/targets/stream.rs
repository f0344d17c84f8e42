// SPDX-License-Identifier: MPL-2.0
//! A stream of SIP messages. However it is cut into pieces, the same comes out, and no more is held
//! than the longest message takes.

use sip_ua::transport::{Frame, Framer};
use sip_ua::wire::{MAX_BODY_OCTETS, MAX_HEAD_OCTETS, read_framed};

use super::{SIP_WORDS, torture_messages};
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "stream",
    about: "a stream of SIP messages, as TCP brings them",
    seeds,
    words: SIP_WORDS,
    short: 4_000,
    run,
};

/// A head may be this long before it counts as endless; a stream is held a piece longer.
const MOST_HELD: usize = 4 * MAX_HEAD_OCTETS + MAX_BODY_OCTETS;

fn seeds() -> Vec<Vec<u8>> {
    let messages: Vec<Vec<u8>> = torture_messages().collect();
    let mut seeds: Vec<Vec<u8>> = messages.chunks(5).map(<[_]>::concat).collect();
    let with_pings: Vec<Vec<u8>> = messages
        .iter()
        .take(6)
        .map(|message| [&b"\r\n\r\n"[..], message].concat())
        .collect();
    seeds.push(with_pings.concat());
    let body = "x".repeat(3_000);
    let message = |length: usize| format!("INFO sip:a@b SIP/2.0\r\nl: {length}\r\n\r\n{body}");
    for length in [0, 2_999, 3_000, 65_536, 65_537, 16 << 20, (16 << 20) + 1] {
        seeds.push(message(length).into_bytes());
    }
    seeds
}

fn run(stream: &[u8], traits: &mut Traits) {
    let whole = frames(stream, stream.len().max(1));
    for frame in &whole {
        match frame {
            Frame::Ping => traits.step("ping"),
            Frame::Message(message) => match read_framed(message) {
                Ok(_) => traits.step("message"),
                Err(error) => {
                    traits.step("unreadable");
                    traits.sentence(error);
                }
            },
            Frame::Endless { why, .. } => traits.sentence(why),
        }
    }
    // Sizes that fall on every boundary sooner or later; single octets where that is not dear.
    let sizes: &[usize] = match stream.len() {
        ..3_000 => &[1, 7, 1_460],
        _ => &[61, 1_460],
    };
    for size in sizes {
        assert_eq!(frames(stream, *size), whole, "in pieces of {size}");
    }
}

fn frames(stream: &[u8], size: usize) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for piece in stream.chunks(size) {
        framer.push(piece);
        while let Some(frame) = framer.poll_frame() {
            found.push(frame);
        }
        assert!(
            framer.buffered() <= MOST_HELD.min(stream.len()),
            "{} octets are held",
            framer.buffered()
        );
    }
    found
}
