// SPDX-License-Identifier: MPL-2.0
//! re-INVITE: hold, codec change, and the ways in which it is refused.

use sip_ua::endpoint::CallEvent;
use sip_ua::wire::{HeaderName, Method, Request};

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, ms};

const HOLD: &[u8] = b"v=0\r\na=sendonly\r\n";
const HELD: &[u8] = b"v=0\r\na=recvonly\r\n";

#[test]
fn an_offer_and_its_answer_either_way() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    for (from, ours, theirs) in [(Side::Alice, a, b), (Side::Bob, b, a)] {
        let to = from.other();
        pair.act(from, |endpoint, now| {
            endpoint.reoffer(now, ours, HOLD.to_vec())
        });
        pair.run(ms(50));
        let reoffer = CallEvent::Reoffer {
            sdp: Some(HOLD.to_vec()),
        };
        assert_eq!(pair.events(to, theirs).last(), Some(&reoffer));
        pair.act(to, |endpoint, now| {
            endpoint.answer_reoffer(now, theirs, Ok(HELD.to_vec()))
        });
        pair.run(ms(50));
        let answered = CallEvent::ReofferAnswered {
            sdp: Some(HELD.to_vec()),
        };
        assert_eq!(pair.events(from, ours).last(), Some(&answered));
    }
    pair.run(ms(2_000));
    // Each 2xx was acknowledged at once.
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 200"), 1);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 2);
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

/// The far end says that it tries, and nothing more, ever: not to the re-INVITE, nor to the BYE.
#[test]
fn one_that_is_never_answered_leaves_nothing_behind() {
    let mut pair = Pair::new();
    let (a, _) = pair.up();
    let tried = pair.count(Side::Bob, "SIP/2.0 100");
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, HOLD.to_vec())
    });
    pair.run(ms(1_000));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 100"), tried + 1);
    pair.wire = Box::new(|_| Fate::Lose);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE * 5);
    let stats = pair.side(Side::Alice).stats();
    assert_eq!((stats.calls, stats.client_transactions), (0, 0));
}

#[test]
fn a_refusal_leaves_the_call_as_it_was() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, HOLD.to_vec())
    });
    pair.run(ms(50));
    pair.act(Side::Bob, |bob, now| bob.answer_reoffer(now, b, Err(488)));
    pair.run(ms(50));
    let reason = "the far end answered 488 Not Acceptable Here".to_owned();
    let refused = CallEvent::ReofferRefused {
        status: 488,
        reason,
    };
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&refused));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(ms(50));
    assert!(matches!(
        pair.events(Side::Bob, b).last(),
        Some(CallEvent::Ended(_))
    ));
}

#[test]
fn a_second_offer_waits_for_the_first() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    for sdp in [HOLD, HELD, OFFER] {
        pair.act(Side::Alice, |alice, now| {
            alice.reoffer(now, a, sdp.to_vec())
        });
    }
    pair.run(ms(50));
    assert_eq!(pair.count(Side::Alice, "INVITE"), 2);
    pair.act(Side::Bob, |bob, now| {
        bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
    });
    pair.run(ms(50));
    // Only the latest of those that waited is sent.
    assert_eq!(pair.count(Side::Alice, "INVITE"), 3);
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::Reoffer {
            sdp: Some(OFFER.to_vec())
        })
    );
}

/// A re-INVITE as Alice would send it, written by hand.
fn by_hand(pair: &Pair, branch: &str, number: u32, body: &[u8]) -> Request {
    let mut request = pair.request(Side::Alice, "ACK");
    request.method = Method::Invite;
    let via = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{branch}");
    request.headers.set(HeaderName::Via, via);
    request
        .headers
        .set(HeaderName::CSeq, format!("{number} INVITE"));
    request
        .headers
        .push(HeaderName::Contact, "<sip:alice@192.0.2.1:5060>");
    if !body.is_empty() {
        request
            .headers
            .push(HeaderName::ContentType, "application/sdp");
    }
    request.body = body.to_vec();
    request
}

#[test]
fn without_sdp_we_make_the_offer_and_the_ack_brings_the_answer() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    let invite = by_hand(&pair, "re", 2_000_000_000, b"");
    pair.inject(Side::Bob, Side::Alice.addr(), &invite.to_bytes());
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::Reoffer { sdp: None })
    );
    pair.act(Side::Bob, |bob, now| {
        bob.answer_reoffer(now, b, Ok(OFFER.to_vec()))
    });
    let mut ack = by_hand(&pair, "re-ack", 2_000_000_000, ANSWER);
    ack.method = Method::Ack;
    ack.headers.set(HeaderName::CSeq, "2000000000 ACK");
    pair.inject(Side::Bob, Side::Alice.addr(), &ack.to_bytes());
    let answered = CallEvent::ReofferAnswered {
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(pair.events(Side::Bob, b).last(), Some(&answered));
}

#[test]
fn one_more_before_the_first_is_answered_gets_500_and_a_bye_ends_both() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    let one = by_hand(&pair, "one", 2_000_000_000, OFFER);
    let two = by_hand(&pair, "two", 2_000_000_001, OFFER);
    pair.inject(Side::Bob, Side::Alice.addr(), &one.to_bytes());
    pair.inject(Side::Bob, Side::Alice.addr(), &two.to_bytes());
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 500"), 1);
    assert!(
        pair.response(Side::Bob, "SIP/2.0 500")
            .headers
            .contains(HeaderName::RetryAfter)
    );
    let mut bye = by_hand(&pair, "bye", 2_000_000_002, b"");
    bye.method = Method::Bye;
    bye.headers.set(HeaderName::CSeq, "2000000002 BYE");
    pair.inject(Side::Bob, Side::Alice.addr(), &bye.to_bytes());
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 487"), 1);
    assert!(matches!(
        pair.events(Side::Bob, b).last(),
        Some(CallEvent::Ended(_))
    ));
}

#[test]
fn a_cancelled_one_is_withdrawn() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    let invite = by_hand(&pair, "re", 2_000_000_000, OFFER);
    pair.inject(Side::Bob, Side::Alice.addr(), &invite.to_bytes());
    let mut cancel = by_hand(&pair, "re", 2_000_000_000, b"");
    cancel.method = Method::Cancel;
    cancel.headers.set(HeaderName::CSeq, "2000000000 CANCEL");
    pair.inject(Side::Bob, Side::Alice.addr(), &cancel.to_bytes());
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::ReofferWithdrawn)
    );
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 487"), 1);
    // The call is still up.
    pair.act(Side::Bob, |bob, now| bob.reoffer(now, b, HOLD.to_vec()));
    assert_eq!(pair.count(Side::Bob, "INVITE"), 1);
}

#[test]
fn no_answer_to_a_reinvite_ends_the_call() {
    let mut pair = Pair::new();
    let (a, _) = pair.up();
    pair.wire = Box::new(|_| Fate::Lose);
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, HOLD.to_vec())
    });
    pair.run(ms(33_000));
    assert!(
        pair.end(Side::Alice, a)
            .reason
            .contains("did not answer within the call")
    );
    assert!(pair.count(Side::Alice, "BYE") > 0);
}
