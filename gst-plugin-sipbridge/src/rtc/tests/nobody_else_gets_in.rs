// SPDX-License-Identifier: MPL-2.0
//! Who is not who the description promised, is nobody.

use std::time::Duration;

use super::*;

/// The fingerprint line with its first byte changed.
fn tampered(description: &str) -> String {
    let (before, after) = description.split_once("a=fingerprint:sha-256 ").unwrap();
    let other = if after.starts_with("00") { "01" } else { "00" };
    format!("{before}a=fingerprint:sha-256 {other}{}", &after[2..])
}

#[test]
fn another_certificate_than_the_answers_is_refused() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    let answer = session.b.answer(session.now, &offer);
    session.a.accept(session.now, &tampered(&answer));
    session.until("a refuses", Duration::from_secs(3), |session| {
        session.a.state() == TransportState::Failed
    });
    assert!(
        session.a.reason().contains("fingerprint"),
        "{}",
        session.a.reason()
    );
    session.talk(20, &[0]);
    assert!(session.a.packets.is_empty());
    assert!(session.b.packets.is_empty());
}

#[test]
fn another_certificate_than_the_offers_is_refused() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    let answer = session.b.answer(session.now, &tampered(&offer));
    session.a.accept(session.now, &answer);
    session.until("b refuses", Duration::from_secs(3), |session| {
        session.b.state() == TransportState::Failed
    });
    session.talk(20, &[0]);
    assert!(session.a.packets.is_empty() && session.b.packets.is_empty());
}

#[test]
fn strangers_packets_are_counted_and_nothing_else() {
    let mut session = Session::speaking();
    session.connect();
    session.talk(5, &[0]);
    let stranger: SocketAddr = "203.0.113.5:4000".parse().unwrap();
    let mut rtp = vec![0x80, 111, 0, 9, 0, 0, 0, 9, 0, 0, 0, 22];
    rtp.extend_from_slice(&[0; 60]);
    let to = session.a.address;
    for n in 0..1_000_u32 {
        rtp[8..12].copy_from_slice(&n.to_be_bytes());
        session.a.transport.receive(session.now, to, stranger, &rtp);
        // And the same as if it came from the far end: not authentic.
        let near = session.b.address;
        session.a.transport.receive(session.now, to, near, &rtp);
        // And what may pass for a handshake.
        session
            .a
            .transport
            .receive(session.now, to, near, &[22, 254, 253, 0, 0, 0, 0]);
    }
    let heard = session.a.packets.len();
    session.talk(50, &[0]);
    assert_eq!(session.a.packets.len() - heard, 50);
    assert!(session.a.transport.stats().strange >= 1_000);
    assert_eq!(session.a.state(), TransportState::Connected);
}
