// SPDX-License-Identifier: MPL-2.0
use std::time::Duration;

use super::*;

#[test]
fn both_hear_each_other() {
    let mut session = Session::speaking();
    session.connect();
    session.talk(50, &[0]);
    for (peer, word, ssrc) in [(&session.b, b'a', 11), (&session.a, b'b', 22)] {
        assert_eq!(peer.packets.len(), 50);
        for (frame, packet) in peer.packets.iter().enumerate() {
            assert_eq!(*packet.payload, [word, 0, frame as u8]);
            assert_eq!((packet.ssrc, packet.line, packet.pt), (ssrc, 0, 111));
            assert_eq!(packet.level, Some((30, true)));
            assert_eq!(packet.timestamp, 960 * (frame as u32 + 1));
        }
    }
    let sent = &session.a.transport.stats().lines[0];
    assert_eq!((sent.packets_sent, sent.ssrc), (50, Some(11)));
}

#[test]
fn reports_tell_round_trip_and_loss() {
    let mut session = Session::speaking();
    session.connect();
    session.talk(800, &[0]);
    let stats = session.a.transport.stats();
    let line = &stats.lines[0];
    let there_and_back = line.round_trip.unwrap();
    assert!(
        (Duration::from_millis(15)..Duration::from_millis(40)).contains(&there_and_back),
        "{there_and_back:?}"
    );
    assert_eq!(line.remote_lost, Some(0));
    assert_eq!(stats.pair, Some((session.a.address, session.b.address)));
    assert!(stats.check_round_trip.unwrap() >= Duration::from_millis(20));
    assert!(stats.bytes_received > 0 && stats.bytes_sent > 0);
    // What the far end heard of ours, it is also told.
    let told: Vec<_> = session.b.transport.told().collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].ssrc, 11);
    // The last report is some seconds old.
    assert!((400..=800).contains(&told[0].packets), "{told:?}");
    assert_eq!(told[0].bytes, told[0].packets * 3);
}

#[test]
fn closing_tells_the_other_side() {
    let mut session = Session::speaking();
    session.connect();
    session.a.transport.close();
    session.until("b hears of it", Duration::from_secs(1), |session| {
        session.b.state() == TransportState::Closed
    });
    assert_eq!(session.a.state(), TransportState::Closed);
    let before = session.b.packets.len();
    session.talk(5, &[0]);
    assert_eq!(session.b.packets.len(), before);
}
