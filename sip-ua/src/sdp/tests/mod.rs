// SPDX-License-Identifier: MPL-2.0
//! Tables for single rules here; the stories of calls and hostile input in files of their own.

mod dialogs;
mod encrypted;
mod handshakes;
mod hostile;
mod noise;
mod offers;
mod one_port;

use super::*;

fn sdp(lines: &[&str]) -> Vec<u8> {
    let mut text = lines.join("\r\n");
    text.push_str("\r\n");
    text.into_bytes()
}

/// A description whose session part is in order and whose media part is given.
fn with_media(lines: &[&str]) -> Vec<u8> {
    let mut all = vec![
        "v=0",
        "o=pbx 1 1 IN IP4 192.0.2.9",
        "s=-",
        "c=IN IP4 192.0.2.9",
        "t=0 0",
    ];
    all.extend_from_slice(lines);
    sdp(&all)
}

fn local() -> LocalMedia {
    LocalMedia {
        session: SessionId { id: 7, version: 1 },
        ..LocalMedia::new(
            "198.51.100.1".parse().unwrap(),
            10_000,
            vec![Codec::Opus, Codec::Pcma, Codec::Pcmu],
        )
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn lines_starting<'a>(bytes: &'a [u8], start: &str) -> Vec<&'a str> {
    text(bytes)
        .split("\r\n")
        .filter(|line| line.starts_with(start))
        .collect()
}
