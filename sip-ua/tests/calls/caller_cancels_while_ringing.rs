// SPDX-License-Identifier: MPL-2.0
//! The caller gives up: CANCEL, 200, 487, ACK.

use sip_ua::endpoint::{CallEvent, EndCause, EndedBy, Reason};
use sip_ua::wire::HeaderName;

use crate::pair::{Fate, MINUTE, Pair, Side, ms};

#[test]
fn a_ringing_call_is_cancelled() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(100));
    let reason = Reason::sip(487, "changed my mind");
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, Some(reason)));
    pair.run(ms(100));
    let end = pair.end(Side::Bob, b);
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, EndCause::Cancelled, Some(487))
    );
    assert!(end.reason.contains("changed my mind"), "{}", end.reason);
    assert_eq!(pair.end(Side::Alice, a).by, EndedBy::Local);
    let invite = pair.request(Side::Alice, "INVITE");
    let cancel = pair.request(Side::Alice, "CANCEL");
    for name in [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        assert_eq!(cancel.headers.get(name.clone()), invite.headers.get(name));
    }
    assert_eq!(cancel.uri, invite.uri);
    // The tag of the 200 to CANCEL is that of the 487 (§9.2).
    let ok = pair.response(Side::Bob, "SIP/2.0 200");
    let refused = pair.response(Side::Bob, "SIP/2.0 487");
    assert_eq!(
        ok.headers.get(HeaderName::To),
        refused.headers.get(HeaderName::To)
    );
    assert_eq!(pair.count(Side::Alice, "ACK"), 1);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 487"), 1);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn before_any_provisional_response_the_cancel_waits() {
    let mut pair = Pair::new();
    pair.wire = Box::new(
        |passing| match passing.line.starts_with("INVITE") && passing.nth == 1 {
            true => Fate::Lose,
            false => Fate::Deliver,
        },
    );
    let a = pair.dial();
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(ms(400));
    assert_eq!(pair.count(Side::Alice, "CANCEL"), 0);
    // The second INVITE gets a 100 after 200 ms, and that lets the CANCEL out.
    pair.run(ms(400));
    assert_eq!(pair.count(Side::Alice, "CANCEL"), 1);
    let b = pair.bobs_call();
    assert_eq!(pair.end(Side::Bob, b).cause, EndCause::Cancelled);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_callee_that_never_answers_the_cancelled_invite_is_forgotten() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|passing| match passing.line.starts_with("SIP/2.0 487") {
        true => Fate::Lose,
        false => Fate::Deliver,
    });
    let a = pair.dial();
    pair.run(ms(300));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(ms(20_000));
    assert_eq!(pair.alice.stats().calls, 1);
    pair.run(MINUTE);
    pair.assert_empty();
    let ends = |e: &&CallEvent| matches!(e, CallEvent::Ended(_));
    assert_eq!(pair.events(Side::Alice, a).iter().filter(ends).count(), 1);
}
