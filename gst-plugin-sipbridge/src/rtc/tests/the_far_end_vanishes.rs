// SPDX-License-Identifier: MPL-2.0
//! Consent freshness (RFC 7675): who answers no checks gets no media.

use std::time::Duration;

use super::*;

#[test]
fn media_stops_when_consent_runs_out() {
    let mut session = Session::speaking();
    session.connect();
    session.cut = true;
    session.until("a notices", Duration::from_secs(30), |session| {
        session.a.state() == TransportState::Disconnected
    });
    assert!(!session.a.say(session.now, 0, b"hello"));
    session.until("a gives up", Duration::from_secs(20), |session| {
        session.a.state() == TransportState::Failed
    });
    assert!(session.a.reason().contains("stopped answering"));
}

#[test]
fn a_short_break_is_survived() {
    let mut session = Session::speaking();
    session.connect();
    session.cut = true;
    session.run(Duration::from_secs(10));
    session.cut = false;
    session.run(Duration::from_secs(5));
    assert_eq!(session.a.state(), TransportState::Connected);
    let heard = session.b.packets.len();
    session.talk(10, &[0]);
    assert_eq!(session.b.packets.len() - heard, 10);
}

#[test]
fn a_far_end_that_never_was_fails_with_a_reason() {
    let mut session = Session::speaking();
    session.cut = true;
    session.negotiate();
    session.until("a gives up", Duration::from_secs(31), |session| {
        session.a.state() == TransportState::Failed
    });
    assert!(
        session.a.reason().contains("no way was found"),
        "{}",
        session.a.reason()
    );
}
