// SPDX-License-Identifier: MPL-2.0
//! The ACK does not get through: the 200 is repeated, and in the end the call is given up.

use sip_ua::endpoint::{CallEvent, EndCause, EndedBy};

use crate::pair::{ANSWER, Fate, MINUTE, Pair, Side, ms};

fn answered(lose: usize) -> (Pair, sip_ua::endpoint::CallId, sip_ua::endpoint::CallId) {
    let mut pair = Pair::new();
    pair.wire = Box::new(move |passing| match passing.line.starts_with("ACK") {
        true if passing.nth <= lose => Fate::Lose,
        _ => Fate::Deliver,
    });
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    (pair, a, b)
}

#[test]
fn the_200_is_repeated_until_its_ack_comes() {
    let (mut pair, a, b) = answered(3);
    pair.run(ms(10_000));
    // At 0, 0.5, 1.5 and 3.5 s; the fourth ACK arrived.
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 4);
    assert_eq!(pair.count(Side::Alice, "ACK"), 4);
    assert_eq!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed { sdp: None }]
    );
    // Each ACK is the same datagram (§13.2.2.4).
    let acks: Vec<&[u8]> = pair.with_start(Side::Alice, "ACK").collect();
    assert!(acks.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(pair.events(Side::Alice, a).len(), 1);
}

#[test]
fn without_any_ack_the_answerer_says_bye_after_32_seconds() {
    let (mut pair, a, b) = answered(usize::MAX);
    pair.run(ms(31_000));
    assert_eq!(pair.count(Side::Bob, "BYE"), 0);
    pair.run(ms(2_000));
    assert_eq!(pair.count(Side::Bob, "BYE"), 1);
    let end = pair.end(Side::Bob, b);
    assert_eq!((end.by, end.cause), (EndedBy::Network, EndCause::Lost));
    assert_eq!(
        end.reason,
        "192.0.2.1:5060 did not acknowledge our answer within 32 s"
    );
    assert_eq!(pair.end(Side::Alice, a).by, EndedBy::Remote);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn an_answerer_that_hangs_up_before_the_ack_waits_for_it_with_its_bye() {
    let (mut pair, a, b) = answered(1);
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    assert_eq!(pair.end(Side::Bob, b).by, EndedBy::Local);
    pair.run(ms(400));
    assert_eq!(pair.count(Side::Bob, "BYE"), 0);
    pair.run(ms(400));
    assert_eq!(pair.count(Side::Bob, "BYE"), 1);
    assert_eq!(pair.end(Side::Alice, a).by, EndedBy::Remote);
    pair.run(MINUTE);
    pair.assert_empty();
}
