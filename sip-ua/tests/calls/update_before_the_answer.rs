// SPDX-License-Identifier: MPL-2.0
//! Offers while the phone still rings (RFC 3311 §5), once the first one was answered reliably.

use sip_ua::endpoint::{CallEvent, CallId};
use sip_ua::wire::{HeaderName, Method};

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, ms};
use crate::peer;

const OTHER: &[u8] = b"v=0\r\no=- 3 2 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n";

/// Early media is agreed on.
fn early() -> (Pair, CallId, CallId) {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| {
        bob.ring(now, b, Some(ANSWER.to_vec()))
    });
    pair.run(ms(100));
    (pair, a, b)
}

fn reoffer(sdp: &[u8]) -> Option<CallEvent> {
    let sdp = Some(sdp.to_vec());
    Some(CallEvent::Reoffer { sdp })
}

fn agreed(sdp: &[u8]) -> Option<CallEvent> {
    let sdp = Some(sdp.to_vec());
    Some(CallEvent::ReofferAnswered { sdp })
}

#[test]
fn either_side_changes_early_media_and_the_answer_changes_nothing_more() {
    for side in [Side::Alice, Side::Bob] {
        let (mut pair, a, b) = early();
        let of = |side| if side == Side::Alice { a } else { b };
        let (ours, theirs) = (of(side), of(side.other()));
        pair.act(side, |endpoint, now| {
            endpoint.reoffer(now, ours, OTHER.to_vec())
        });
        pair.run(ms(50));
        assert_eq!(pair.count(side, "UPDATE"), 1);
        assert_eq!(
            pair.events(side.other(), theirs).last().cloned(),
            reoffer(OTHER)
        );
        pair.act(side.other(), |endpoint, now| {
            endpoint.answer_reoffer(now, theirs, Ok(OFFER.to_vec()))
        });
        pair.run(ms(50));
        assert_eq!(pair.events(side, ours).last().cloned(), agreed(OFFER));
        pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
        pair.run(ms(100));
        assert_eq!(pair.response(Side::Bob, "SIP/2.0 200").body, b"");
        let answered = CallEvent::Answered { sdp: None };
        assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered));
        assert_eq!(pair.count(Side::Alice, "INVITE"), 1);
        pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
        pair.run(MINUTE);
        pair.assert_empty();
    }
}

#[test]
fn an_offer_that_comes_too_early_waits_for_the_call_to_be_up() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(50));
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, OTHER.to_vec())
    });
    pair.run(ms(50));
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 0);
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(100));
    assert_eq!(pair.count(Side::Alice, "INVITE"), 2);
}

#[test]
fn both_at_once_is_glare_and_the_caller_waits_longer() {
    let (mut pair, a, b) = early();
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, OTHER.to_vec())
    });
    pair.act(Side::Bob, |bob, now| bob.reoffer(now, b, OFFER.to_vec()));
    pair.run(ms(30));
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 491"), 1);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 491"), 1);
    pair.run(ms(2_040));
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 1);
    assert_eq!(pair.events(Side::Alice, a).last().cloned(), reoffer(OFFER));
    pair.act(Side::Alice, |alice, now| {
        alice.answer_reoffer(now, a, Ok(ANSWER.to_vec()))
    });
    pair.run(ms(4_000));
    assert_eq!(pair.events(Side::Bob, b).last().cloned(), reoffer(OTHER));
}

#[test]
fn glare_does_not_keep_the_callee_from_answering() {
    let (mut pair, a, b) = early();
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, OTHER.to_vec())
    });
    pair.act(Side::Bob, |bob, now| {
        bob.reoffer(now, b, OFFER.to_vec());
        bob.accept(now, b, ANSWER.to_vec());
    });
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 1);
    pair.run(ms(100));
    // It waited for the 491 only.
    let confirmed = CallEvent::Confirmed { sdp: None };
    assert_eq!(pair.events(Side::Bob, b).last(), Some(&confirmed));
    // And the offer of each goes out when the call is up.
    pair.run(ms(5_000));
    assert!(pair.count(Side::Bob, "INVITE") > 0);
}

#[test]
fn a_500_with_retry_after_is_tried_again_then_and_other_refusals_are_told() {
    let (mut pair, a, _) = early();
    pair.wire = Box::new(|_| Fate::Lose);
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, OTHER.to_vec())
    });
    let update = pair.request(Side::Alice, "UPDATE");
    assert!(update.headers.contains(HeaderName::Contact));
    let busy = peer::response(&update, 500, "", &["Retry-After: 3"], b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &busy);
    pair.run(ms(2_900));
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 1);
    pair.run(ms(200));
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 2);
    let again = pair.request(Side::Alice, "UPDATE");
    let refused = peer::response(&again, 504, "", &[], b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &refused);
    assert!(matches!(
        pair.events(Side::Alice, a).last(),
        Some(CallEvent::ReofferRefused { status: 504, .. })
    ));
}

#[test]
fn an_offer_that_nobody_answers_is_refused_with_504_before_the_far_end_gives_up() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    let mut update = pair.request(Side::Alice, "ACK");
    update.method = Method::Update;
    update.headers.set(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKslow",
    );
    update.headers.set(HeaderName::CSeq, "2000000000 UPDATE");
    update
        .headers
        .push(HeaderName::ContentType, "application/sdp");
    update
        .headers
        .push(HeaderName::Contact, "<sip:alice@192.0.2.1:5060>");
    update.body = OTHER.to_vec();
    pair.inject(Side::Bob, Side::Alice.addr(), &update.to_bytes());
    pair.run(ms(16_100));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 504"), 1);
    let withdrawn = CallEvent::ReofferWithdrawn;
    assert_eq!(pair.events(Side::Bob, b).last(), Some(&withdrawn));
    // The user's late answer is for nobody.
    pair.act(Side::Bob, |bob, now| {
        bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
    });
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 1);
}
