// SPDX-License-Identifier: MPL-2.0
//! Nothing comes back.

use sip_ua::endpoint::{EndCause, EndedBy};

use crate::pair::{Fate, MINUTE, Pair, Side, ms};

#[test]
fn a_dead_address_is_told_after_timer_b() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let a = pair.dial();
    pair.run(ms(31_900));
    assert_eq!(pair.count(Side::Alice, "INVITE"), 7);
    assert!(pair.events(Side::Alice, a).is_empty());
    pair.run(ms(200));
    let end = pair.end(Side::Alice, a);
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Network, EndCause::Unreachable, Some(408))
    );
    assert_eq!(
        end.reason,
        "192.0.2.2:5070 did not answer our INVITE within 32 s"
    );
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_far_end_that_vanishes_during_a_call_is_noticed_by_the_next_request() {
    let mut pair = Pair::new();
    let (a, _) = pair.up();
    pair.wire = Box::new(|_| Fate::Lose);
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"there?".to_vec())
    });
    pair.run(ms(33_000));
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.by, end.cause), (EndedBy::Network, EndCause::Lost));
    pair.run(MINUTE);
    assert_eq!(pair.alice.stats().calls, 0);
}
