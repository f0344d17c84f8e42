// SPDX-License-Identifier: MPL-2.0
//! The 200 does not get through at first.

use sip_ua::endpoint::CallEvent;

use crate::pair::{ANSWER, Fate, MINUTE, Pair, Side, ms};

#[test]
fn a_lost_200_is_sent_again_and_the_call_comes_up() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|passing| match passing.line {
        "SIP/2.0 200 OK" if passing.from == Side::Bob && passing.nth <= 2 => Fate::Lose,
        _ => Fate::Deliver,
    });
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(1_400));
    assert!(pair.events(Side::Alice, a).is_empty());
    pair.run(ms(300));
    assert_eq!(
        pair.events(Side::Alice, a),
        [CallEvent::Answered {
            sdp: Some(ANSWER.to_vec())
        }]
    );
    assert_eq!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed { sdp: None }]
    );
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_repeated_200_is_acknowledged_again_but_told_once() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|passing| match passing.line {
        "SIP/2.0 200 OK" => Fate::Twice,
        _ => Fate::Deliver,
    });
    let (a, _) = pair.up();
    assert_eq!(pair.count(Side::Alice, "ACK"), 2);
    assert_eq!(pair.events(Side::Alice, a).len(), 1);
}
