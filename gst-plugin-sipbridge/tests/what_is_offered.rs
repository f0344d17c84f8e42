// SPDX-License-Identifier: MPL-2.0
//! What a call offers whose application says nothing of codecs: the wide ones first, G.722 among them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::net::UdpSocket;

use kit::{Line, PATIENCE};

#[test]
fn by_default() {
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = phone.local_addr().unwrap().port();
    let line = Line::new(&format!(
        "sipsrc uri=sip:bob@127.0.0.1:{port} ! fakesink sync=false"
    ));
    line.play();
    let mut invite = [0; 4_096];
    let length = phone.recv(&mut invite).unwrap();
    let invite = String::from_utf8_lossy(&invite[..length]).into_owned();
    assert!(invite.starts_with("INVITE "), "{invite}");
    let media = invite
        .lines()
        .find_map(|line| line.strip_prefix("m=audio "))
        .unwrap();
    let formats: Vec<&str> = media.split_whitespace().skip(2).collect();
    assert_eq!(formats[..4], ["111", "9", "8", "0"], "{invite}");
    // A rate of 8000 that means 16000 (RFC 3551 section 4.5.2).
    for named in ["a=rtpmap:111 opus/48000/2", "a=rtpmap:9 G722/8000"] {
        assert!(invite.lines().any(|line| line == named), "{invite}");
    }
}
