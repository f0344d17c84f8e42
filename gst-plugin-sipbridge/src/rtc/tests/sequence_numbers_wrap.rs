// SPDX-License-Identifier: MPL-2.0
//! A stream's numbers run over 65535 while packets are lost: the roll-over counter is nobody's but the
//! cipher's (RFC 3711 section 3.3.1), and both ends have to agree on it.

use std::time::Duration;

use super::*;

#[test]
fn what_comes_after_the_wrap_is_understood_and_what_was_lost_is_counted() {
    let mut session = Session::speaking();
    session.a.first = 65_525;
    session.connect();
    session.talk(5, &[0]);
    session.cut = true;
    // 65531 to 65540.
    session.talk(10, &[0]);
    session.cut = false;
    session.talk(800, &[0]);
    let heard: Vec<u64> = session.b.packets.iter().map(|p| p.sequence).collect();
    let expected: Vec<u64> = (65_526..65_531).chain(65_541..66_341).collect();
    assert_eq!(heard, expected);
    let line = &session.a.transport.stats().lines[0];
    assert_eq!(line.remote_lost, Some(10));
}

#[test]
fn a_packet_that_comes_twice_is_heard_once() {
    let mut session = Session::speaking();
    session.connect();
    session.a.say(session.now, 0, b"once");
    session.run(Duration::from_millis(1));
    session.repeat_what_flies();
    session.run(Duration::from_millis(50));
    assert_eq!(session.b.packets.len(), 1);
}
