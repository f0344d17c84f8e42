// SPDX-License-Identifier: MPL-2.0
//! What the far end says of the end of a call (RFC 3326), and whom not to call for a while.

use std::time::Duration;

use sip_ua::endpoint::{EndCause, EndedBy, Reason};

use crate::pair::{Fate, MINUTE, Pair, Side, ms};
use crate::peer;

#[test]
fn the_reason_of_a_bye_and_of_a_cancel_reaches_the_other_side() {
    let reason = Reason {
        protocol: "Q.850".to_owned(),
        cause: 31,
        text: "Normal, \"unspecified\"".to_owned(),
    };
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    let said = Some(reason.clone());
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, said));
    pair.run(ms(100));
    assert_eq!(pair.end(Side::Bob, b).reasons, vec![reason.clone()]);
    assert!(pair.end(Side::Alice, a).reasons.is_empty());

    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(20));
    let said = Some(reason.clone());
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, said));
    pair.run(ms(100));
    assert_eq!(pair.end(Side::Bob, b).cause, EndCause::Cancelled);
    assert_eq!(pair.end(Side::Bob, b).reasons, [reason]);
}

/// Bob refuses Alice's call so.
fn refused(more: &[&str]) -> Pair {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let a = pair.dial();
    let invite = pair.request(Side::Alice, "INVITE");
    let refusal = peer::response(&invite, 503, "x", more, b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &refusal);
    assert_eq!(pair.end(Side::Alice, a).status, Some(503));
    pair
}

#[test]
fn who_asks_for_a_pause_gets_it() {
    let mut pair = refused(&["Retry-After: 30 (maintenance)"]);
    let before = pair.count(Side::Alice, "INVITE");
    pair.run(ms(29_500));
    let again = pair.dial();
    let end = pair.end(Side::Alice, again);
    assert_eq!((end.by, end.status), (EndedBy::Network, Some(503)));
    assert_eq!(end.retry_after, Some(ms(500)));
    assert_eq!(
        end.reason,
        "192.0.2.2:5070 said 503: it asks not to be called for 1 s more"
    );
    assert_eq!(pair.count(Side::Alice, "INVITE"), before);
    pair.run(ms(500));
    pair.dial();
    assert_eq!(pair.count(Side::Alice, "INVITE"), before + 1);
}

#[test]
fn a_day_is_five_minutes_and_without_a_number_there_is_no_pause() {
    let mut pair = refused(&["Retry-After: 86400"]);
    let again = pair.dial();
    let left = pair.end(Side::Alice, again).retry_after;
    assert_eq!(left, Some(Duration::from_secs(300)));
    pair.run(MINUTE * 5);
    let before = pair.count(Side::Alice, "INVITE");
    pair.dial();
    assert_eq!(pair.count(Side::Alice, "INVITE"), before + 1);

    for odd in [
        "Retry-After: soon",
        "Retry-After: 99999999999999999999999",
        "Retry-After: -1",
    ] {
        let mut pair = refused(&[odd]);
        pair.dial();
        assert_eq!(pair.count(Side::Alice, "INVITE"), 2, "{odd}");
    }
}
