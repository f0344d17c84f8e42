// SPDX-License-Identifier: MPL-2.0
//! UPDATE (RFC 3311) from a far end: with an offer, without one, and at the wrong moment.

use sip_ua::endpoint::CallEvent;
use sip_ua::wire::{HeaderName, Message, Method, Request, read_datagram};

use crate::pair::{ANSWER, OFFER, Pair, Side, ms};
use crate::peer::stranger;

/// An UPDATE of Alice's to Bob, within the dialog that this INVITE or ACK of hers belongs to.
fn update(like: &Request, to: &[u8], cseq: u32, offer: Option<&[u8]>) -> Vec<u8> {
    let mut request = Request::new(Method::Update, like.uri.clone());
    let headers = &mut request.headers;
    headers.push(
        HeaderName::Via,
        format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKupdate{cseq};rport"),
    );
    headers.push(HeaderName::MaxForwards, 70u32);
    headers.copy(HeaderName::From, &like.headers);
    headers.push(HeaderName::To, to);
    headers.copy(HeaderName::CallId, &like.headers);
    headers.push(HeaderName::CSeq, format!("{cseq} UPDATE"));
    headers.push(HeaderName::Contact, "<sip:alice@192.0.2.1:5060>");
    if let Some(offer) = offer {
        headers.push(HeaderName::ContentType, "application/sdp");
        request.body = offer.to_vec();
    }
    request.to_bytes()
}

/// The ACK of a call that is up, with the tags of both.
fn ack(pair: &Pair) -> Request {
    pair.request(Side::Alice, "ACK")
}

fn number(request: &Request) -> u32 {
    let text = String::from_utf8_lossy(request.headers.get(HeaderName::CSeq).unwrap()).into_owned();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Alice's `nth` UPDATE in a call that is up reaches Bob.
fn alice_updates(pair: &mut Pair, nth: u32, offer: Option<&[u8]>) {
    let packet = alices_update(pair, nth, offer);
    pair.inject(Side::Bob, Side::Alice.addr(), &packet);
}

fn alices_update(pair: &Pair, nth: u32, offer: Option<&[u8]>) -> Vec<u8> {
    let ack = ack(pair);
    let to = ack.headers.get(HeaderName::To).unwrap().to_vec();
    update(&ack, &to, number(&ack) + nth, offer)
}

#[test]
fn an_offer_in_an_update_is_answered_in_its_200() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    alice_updates(&mut pair, 1, Some(OFFER));
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::Reoffer {
            sdp: Some(OFFER.to_vec())
        })
    );
    pair.act(Side::Bob, |bob, now| {
        bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
    });
    let answer = pair.response(Side::Bob, "SIP/2.0 200");
    assert!(answer.headers.contains(HeaderName::Contact));
    assert_eq!(answer.body, ANSWER);
    // No ACK belongs to it: nothing is sent again, and the next offer of ours goes out at once.
    pair.run(ms(5_000));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 2);
    pair.act(Side::Bob, |bob, now| bob.reoffer(now, b, OFFER.to_vec()));
    assert_eq!(pair.count(Side::Bob, "INVITE"), 1);
}

#[test]
fn an_offer_that_is_refused_changes_nothing() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    alice_updates(&mut pair, 1, Some(OFFER));
    pair.act(Side::Bob, |bob, now| bob.answer_reoffer(now, b, Err(488)));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 488"), 1);
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    assert_eq!(pair.count(Side::Bob, "BYE"), 1);
}

#[test]
fn without_an_offer_it_moves_the_contact_and_no_more() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    let moved = String::from_utf8(alices_update(&pair, 1, None))
        .unwrap()
        .replace("<sip:alice@192.0.2.1:5060>", "<sip:alice@198.51.100.9>");
    pair.inject(Side::Bob, Side::Alice.addr(), moved.as_bytes());
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 2);
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::Confirmed { sdp: None })
    );
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    let (addr, bye) = pair.strays.last().unwrap();
    assert_eq!(*addr, stranger());
    assert!(bye.starts_with(b"BYE sip:alice@198.51.100.9 "));
}

#[test]
fn one_offer_at_a_time() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    for nth in 1..=2 {
        alice_updates(&mut pair, nth, Some(OFFER));
    }
    // RFC 3311 §5.2: their earlier one still waits for our answer.
    let refused = pair.response(Side::Bob, "SIP/2.0 500");
    assert!(refused.headers.contains(HeaderName::RetryAfter));
    pair.act(Side::Bob, |bob, now| {
        bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
    });
    // Now one of ours is under way.
    pair.act(Side::Bob, |bob, now| bob.reoffer(now, b, OFFER.to_vec()));
    alice_updates(&mut pair, 3, Some(OFFER));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 491"), 1);
}

#[test]
fn before_the_answer_only_an_update_without_an_offer_is_taken() {
    let mut pair = Pair::new();
    pair.dial();
    pair.run(ms(50));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    let ringing = pair.response(Side::Bob, "SIP/2.0 180");
    let to = ringing.headers.get(HeaderName::To).unwrap().to_vec();
    let invite = pair.request(Side::Alice, "INVITE");
    let next = number(&invite) + 1;
    for (cseq, offer) in [(next, Some(OFFER)), (next + 1, None)] {
        let packet = update(&invite, &to, cseq, offer);
        pair.inject(Side::Bob, Side::Alice.addr(), &packet);
    }
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 500"), 1);
    match read_datagram(&pair.messages.last().unwrap().1) {
        Ok(Message::Response(response)) => {
            assert_eq!(response.status, 200);
            assert!(!response.headers.contains(HeaderName::SessionExpires));
        }
        other => panic!("{other:?}"),
    }
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(100));
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::Confirmed { sdp: None })
    );
}
