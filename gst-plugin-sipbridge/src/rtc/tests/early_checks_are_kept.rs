// SPDX-License-Identifier: MPL-2.0
//! The far end may begin its checks before its answer has come to us.

use std::time::Duration;

use super::*;

#[test]
fn an_answer_that_is_slower_than_the_checks_costs_no_second() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    let answer = session.b.answer(session.now, &offer);
    session.run(Duration::from_millis(200));
    session.a.accept(session.now, &answer);
    session.until("connected", Duration::from_millis(400), |session| {
        session.a.state() == TransportState::Connected
            && session.b.state() == TransportState::Connected
    });
}

#[test]
fn a_flood_before_the_answer_is_bounded_and_harmless() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    for n in 0..10_000_u32 {
        let from = SocketAddr::from(([203, 0, 113, 1], (n % 60_000) as u16 + 1));
        let to = session.a.address;
        session
            .a
            .transport
            .receive(session.now, to, from, &n.to_be_bytes());
    }
    let answer = session.b.answer(session.now, &offer);
    session.a.accept(session.now, &answer);
    session.until("connected", Duration::from_secs(2), |session| {
        session.a.state() == TransportState::Connected
    });
}
