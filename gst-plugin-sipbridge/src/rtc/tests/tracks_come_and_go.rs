// SPDX-License-Identifier: MPL-2.0
//! Renegotiation on a transport that goes on.

use super::*;
use crate::rtc::description::Direction;

#[test]
fn a_second_track_joins_while_the_first_speaks() {
    let mut session = Session::speaking();
    session.connect();
    session.talk(5, &[0]);
    session.a.speaks(12);
    session.negotiate();
    session.talk(20, &[0, 1]);
    let second: Vec<_> = session.b.packets.iter().filter(|p| p.line == 1).collect();
    assert_eq!(second.len(), 20);
    assert!(second.iter().all(|packet| packet.ssrc == 12));
    assert_eq!(session.b.packets.len(), 45);
    // Nobody was asked to send on it.
    assert!(session.a.packets.iter().all(|packet| packet.line == 0));
}

#[test]
fn the_answerer_offers_next() {
    let mut session = Session::speaking();
    session.connect();
    session.b.speaks(23);
    let offer = session.b.offer(session.now);
    let answer = session.a.answer(session.now, &offer);
    session.b.accept(session.now, &answer);
    session.talk(10, &[0, 1]);
    let second = session.a.packets.iter().filter(|p| p.line == 1).count();
    assert_eq!(second, 10);
    assert_eq!(session.b.packets.len(), 10);
}

#[test]
fn a_track_pauses_and_comes_back() {
    let mut session = Session::new(
        Peer::new("192.0.2.1:5000", false),
        Peer::new("192.0.2.2:6000", false),
    );
    let track = session.a.speaks(11);
    session.b.speaks(22);
    session.connect();
    session.talk(5, &[0]);
    session
        .a
        .negotiation
        .set_direction(track, Direction::Inactive);
    session.negotiate();
    session.talk(5, &[0]);
    assert_eq!((session.a.packets.len(), session.b.packets.len()), (5, 5));
    session
        .a
        .negotiation
        .set_direction(track, Direction::SendRecv);
    session.negotiate();
    session.talk(5, &[0]);
    assert_eq!((session.a.packets.len(), session.b.packets.len()), (10, 10));
}

#[test]
fn a_codec_that_only_a_later_offer_has_gets_through() {
    let mut session = Session::speaking();
    session.connect();
    session.a.speaks_as(12, vec![opus(120)]);
    session.negotiate();
    session.talk(10, &[1]);
    let heard: Vec<_> = session.b.packets.iter().filter(|p| p.line == 1).collect();
    assert_eq!(heard.len(), 10);
}

#[test]
fn many_tracks_one_transport() {
    let mut session = Session::speaking();
    for n in 1..8 {
        session.a.speaks(100 + n);
    }
    session.connect();
    let lines: Vec<usize> = (0..8).collect();
    session.talk(10, &lines);
    for line in lines {
        let heard = session.b.packets.iter().filter(|p| p.line == line).count();
        assert_eq!(heard, 10, "line {line}");
    }
}
