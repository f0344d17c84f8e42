// SPDX-License-Identifier: MPL-2.0
use std::time::Duration;

use super::*;

#[test]
fn media_goes_on_through_a_restart() {
    let mut session = Session::speaking();
    session.connect();
    session.talk(10, &[0]);
    let before = session.a.negotiation.credentials().clone();
    session.a.negotiation.restart_ice(credentials());
    let (mine, theirs) = (session.a.address, session.b.address);
    session.a.negotiation.add_candidate(candidate(mine));
    let offer = session.a.offer(session.now);
    assert!(!offer.contains(&before.ufrag));
    // The far end answers a restart with fresh credentials of its own.
    let answering = session.b.negotiation.credentials().clone();
    session.b.negotiation.restart_ice(credentials());
    session.b.negotiation.add_candidate(candidate(theirs));
    let answer = session.b.answer(session.now, &offer);
    assert!(!answer.contains(&answering.ufrag));
    session.a.accept(session.now, &answer);
    let heard = session.b.packets.len();
    session.talk(50, &[0]);
    assert_eq!(session.b.packets.len() - heard, 50);
    // Long after the old checks would have run out.
    session.run(Duration::from_secs(60));
    assert_eq!(session.a.state(), TransportState::Connected);
    assert_eq!(session.b.state(), TransportState::Connected);
    let heard = session.a.packets.len();
    session.talk(10, &[0]);
    assert_eq!(session.a.packets.len() - heard, 10);
}

fn candidate(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!("candidate:1 1 udp 2113937151 {ip} {port} typ host")
}
