// SPDX-License-Identifier: MPL-2.0
//! Delayed offers: the INVITE has no SDP, the 200 brings the offer, the ACK the answer.

use sip_ua::endpoint::CallEvent;
use sip_ua::wire::HeaderName;

use crate::pair::{ANSWER, MINUTE, OFFER, Pair, Side, ms, outgoing};

fn ringing() -> (Pair, sip_ua::endpoint::CallId, sip_ua::endpoint::CallId) {
    let mut pair = Pair::new();
    let mut call = outgoing();
    call.offer = None;
    let a = pair.dial_with(call);
    pair.run(ms(20));
    let b = pair.bobs_call();
    assert!(pair.incoming[0].2.body.is_empty());
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, OFFER.to_vec()));
    (pair, a, b)
}

#[test]
fn the_answer_goes_with_the_ack() {
    let (mut pair, a, b) = ringing();
    pair.run(ms(100));
    assert_eq!(
        pair.events(Side::Alice, a),
        [CallEvent::Answered {
            sdp: Some(OFFER.to_vec())
        }]
    );
    assert_eq!(pair.count(Side::Alice, "ACK"), 0);
    pair.run(ms(600));
    pair.act(Side::Alice, |alice, now| {
        alice.accept(now, a, ANSWER.to_vec())
    });
    pair.run(ms(100));
    assert_eq!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed {
            sdp: Some(ANSWER.to_vec())
        }]
    );
    let ack = pair.request(Side::Alice, "ACK");
    assert_eq!(
        ack.headers.get(HeaderName::ContentType),
        Some(&b"application/sdp"[..])
    );
    assert_eq!(pair.events(Side::Alice, a).len(), 1);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn hanging_up_instead_of_answering_still_acknowledges() {
    let (mut pair, a, b) = ringing();
    pair.run(ms(100));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(ms(100));
    assert_eq!(pair.count(Side::Alice, "ACK"), 1);
    assert_eq!(pair.count(Side::Alice, "BYE"), 1);
    assert_eq!(
        pair.events(Side::Bob, b)[0],
        CallEvent::Confirmed { sdp: None }
    );
    pair.run(MINUTE);
    pair.assert_empty();
}
