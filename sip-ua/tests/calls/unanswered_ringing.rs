// SPDX-License-Identifier: MPL-2.0
//! It rings, and nobody picks up.

use sip_ua::endpoint::{EndCause, EndedBy};

use crate::pair::{MINUTE, Pair, Side, ms, outgoing};

#[test]
fn the_ring_timeout_cancels_the_call() {
    let mut pair = Pair::new();
    let mut call = outgoing();
    call.ring_timeout = ms(20_000);
    let a = pair.dial_with(call);
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(19_900));
    assert!(pair.count(Side::Alice, "CANCEL") == 0);
    pair.run(ms(200));
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.by, end.cause), (EndedBy::Local, EndCause::NoAnswer));
    assert_eq!(end.reason, "nobody answered within 20 s");
    assert_eq!(pair.end(Side::Bob, b).cause, EndCause::Cancelled);
    pair.run(MINUTE);
    pair.assert_empty();
}
