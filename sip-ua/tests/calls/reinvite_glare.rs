// SPDX-License-Identifier: MPL-2.0
//! Both sides offer at once: 491 both ways, and each tries again after its own pause (RFC 3261 §14.1).

use sip_ua::endpoint::{CallEvent, EndedBy};

use crate::pair::{ANSWER, OFFER, Pair, Side, ms};

#[test]
fn both_offers_get_through_in_the_end() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, OFFER.to_vec())
    });
    pair.act(Side::Bob, |bob, now| bob.reoffer(now, b, ANSWER.to_vec()));
    pair.run(ms(30));
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 491"), 1);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 491"), 1);
    // Bob did not make the Call-ID: he comes first, within two seconds.
    pair.run(ms(2_050));
    assert_eq!(
        pair.events(Side::Alice, a).last(),
        Some(&CallEvent::Reoffer {
            sdp: Some(ANSWER.to_vec())
        })
    );
    pair.act(Side::Alice, |alice, now| {
        alice.answer_reoffer(now, a, Ok(OFFER.to_vec()))
    });
    pair.run(ms(4_000));
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::Reoffer {
            sdp: Some(OFFER.to_vec())
        })
    );
    pair.act(Side::Bob, |bob, now| {
        bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
    });
    pair.run(ms(1_000));
    let answered = |e: &CallEvent| matches!(e, CallEvent::ReofferAnswered { .. });
    assert!(pair.events(Side::Alice, a).iter().any(answered));
    assert!(pair.events(Side::Bob, b).iter().any(answered));
}

#[test]
fn byes_that_pass_each_other_are_both_answered() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(ms(50));
    assert_eq!(pair.end(Side::Alice, a).by, EndedBy::Local);
    assert_eq!(pair.end(Side::Bob, b).by, EndedBy::Local);
    pair.run(crate::pair::MINUTE);
    pair.assert_empty();
}
