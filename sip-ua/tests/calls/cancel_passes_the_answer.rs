// SPDX-License-Identifier: MPL-2.0
//! The caller cancels in the moment in which the callee answers.

use sip_ua::endpoint::EndedBy;

use crate::pair::{ANSWER, MINUTE, Pair, Side, ms};

#[test]
fn the_answer_is_acknowledged_and_the_call_hung_up_with_bye() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(100));
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(ms(200));
    assert_eq!(pair.count(Side::Alice, "CANCEL"), 1);
    assert_eq!(pair.count(Side::Alice, "ACK"), 1);
    assert_eq!(pair.count(Side::Alice, "BYE"), 1);
    // CANCEL has no effect on an INVITE that has been answered, but is answered itself.
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 3);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 487"), 0);
    assert_eq!(pair.end(Side::Bob, b).by, EndedBy::Remote);
    assert_eq!(pair.events(Side::Alice, a).len(), 2);
    pair.run(MINUTE);
    pair.assert_empty();
}
