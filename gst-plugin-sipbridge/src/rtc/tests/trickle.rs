// SPDX-License-Identifier: MPL-2.0
//! Candidates that come after the descriptions (RFC 8838).

use std::time::Duration;

use super::*;

fn without_candidates(description: &str) -> String {
    description
        .lines()
        .filter(|line| !line.starts_with("a=candidate") && !line.starts_with("a=end-of"))
        .map(|line| format!("{line}\r\n"))
        .collect()
}

#[test]
fn candidates_may_come_later() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    let answer = session.b.answer(session.now, &without_candidates(&offer));
    session.a.accept(session.now, &without_candidates(&answer));
    session.run(Duration::from_secs(5));
    assert_eq!(session.a.state(), TransportState::Connecting);
    let of =
        |peer: &Peer| peer.negotiation.current_local().unwrap().sections[0].candidates[0].clone();
    let (mine, theirs) = (of(&session.a), of(&session.b));
    session.a.transport.add_remote(&theirs);
    session.b.transport.add_remote(&format!("a={mine}"));
    session.until("connected", Duration::from_secs(2), |session| {
        session.a.state() == TransportState::Connected
            && session.b.state() == TransportState::Connected
    });
}

#[test]
fn one_side_that_is_found_suffices() {
    let mut session = Session::speaking();
    let offer = session.a.offer(session.now);
    let answer = session.b.answer(session.now, &offer);
    // As a browser that hides its addresses would have it.
    session.a.accept(session.now, &without_candidates(&answer));
    session.a.transport.add_remote(
        "candidate:1 1 udp 2113937151 5b2e1d2c-6a35-4b6c-9a2a-5c9f1f0f3d10.local 5000 typ host",
    );
    session.until("connected", Duration::from_secs(2), |session| {
        session.a.state() == TransportState::Connected
    });
}

#[test]
fn rubbish_for_a_candidate_is_passed_over() {
    let mut session = Session::speaking();
    for rubbish in [
        "",
        "candidate:",
        "candidate:1 1 udp x y z",
        "a=hello",
        "\u{1F600}",
    ] {
        session.a.transport.add_remote(rubbish);
    }
    session.connect();
    for n in 0..500 {
        session.a.transport.add_remote(&format!(
            "candidate:{n} 1 udp 1 198.51.100.1 {} typ host",
            1_000 + n
        ));
    }
    session.connect();
}
