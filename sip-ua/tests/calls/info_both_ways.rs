// SPDX-License-Identifier: MPL-2.0
//! INFO within a call: digits of old phones.

use sip_ua::endpoint::CallEvent;
use sip_ua::wire::{HeaderName, Method};

use crate::pair::{Fate, MINUTE, Pair, Side, ms};
use crate::peer;

#[test]
fn an_info_is_answered_200_and_told() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    for (from, ours, theirs) in [(Side::Alice, a, b), (Side::Bob, b, a)] {
        let body = b"Signal=5\r\nDuration=160".to_vec();
        pair.act(from, |endpoint, now| {
            endpoint.info(now, ours, "application/dtmf-relay", body.clone());
        });
        pair.run(ms(50));
        let content_type = "application/dtmf-relay".to_owned();
        let info = CallEvent::Info { content_type, body };
        assert_eq!(pair.events(from.other(), theirs).last(), Some(&info));
    }
}

#[test]
fn a_package_that_was_never_agreed_on_gets_469() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    let mut info = pair.request(Side::Alice, "ACK");
    info.method = Method::Info;
    info.headers.set(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-info",
    );
    info.headers.set(HeaderName::CSeq, "2000000000 INFO");
    info.headers.push("Info-Package", "conference");
    pair.inject(Side::Bob, Side::Alice.addr(), &info.to_bytes());
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 469"), 1);
    assert_eq!(pair.events(Side::Bob, b).len(), 1);
}

#[test]
fn a_flood_of_them_is_held_back() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    for _ in 0..500 {
        pair.act(Side::Alice, |alice, now| {
            alice.info(now, a, "text/plain", b"x".to_vec())
        });
    }
    pair.run(ms(50));
    assert!(pair.events(Side::Bob, b).len() < 110);
    assert!(pair.count(Side::Bob, "SIP/2.0 503") > 390);
    pair.run(ms(2_000));
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"again".to_vec())
    });
    pair.run(ms(50));
    assert!(
        matches!(pair.events(Side::Bob, b).last(), Some(CallEvent::Info { body, .. }) if body == b"again")
    );
}

#[test]
fn whoever_sent_one_learns_what_became_of_it() {
    let mut pair = Pair::new();
    let (a, _) = pair.up();
    // The first is lost on the way and sent again; the transaction sees to that.
    pair.wire = Box::new(
        |passing| match (passing.line.starts_with("INFO"), passing.nth) {
            (true, 1) => Fate::Lose,
            _ => Fate::Deliver,
        },
    );
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "application/dtmf", b"5".to_vec());
    });
    pair.run(ms(100));
    assert!(!pair.events(Side::Alice, a).contains(&answered(200)));
    pair.run(ms(1_000));
    assert_eq!(pair.count(Side::Alice, "INFO"), 2);
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered(200)));
}

#[test]
fn a_refusal_is_told_and_harms_no_call() {
    let mut pair = Pair::new();
    let (a, _) = pair.up();
    for status in [405, 415, 501] {
        pair.wire = Box::new(|passing| match passing.line.starts_with("INFO") {
            true => Fate::Lose,
            false => Fate::Deliver,
        });
        pair.act(Side::Alice, |alice, now| {
            alice.info(now, a, "application/dtmf-relay", b"Signal=5".to_vec());
        });
        let info = pair.request(Side::Alice, "INFO");
        let refusal = peer::response(&info, status, "", &[], b"");
        pair.inject(Side::Alice, Side::Bob.addr(), &refusal);
        assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered(status)));
    }
    pair.wire = Box::new(|_| Fate::Deliver);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn one_that_cannot_be_sent_yet_is_answered_503() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "application/dtmf", b"5".to_vec());
    });
    assert_eq!(pair.count(Side::Alice, "INFO"), 0);
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered(503)));
}

#[test]
fn one_whose_type_cannot_stand_in_a_header_is_not_sent() {
    let mut pair = Pair::new();
    let (a, _) = pair.up();
    let too_long = format!("text/{}", "a".repeat(10_000));
    for content_type in [too_long.as_str(), "text/plain\r\nX-Other: header"] {
        pair.act(Side::Alice, |alice, now| {
            alice.info(now, a, content_type, b"hello".to_vec());
        });
        assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered(503)));
    }
    assert_eq!(pair.count(Side::Alice, "INFO"), 0);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn an_allow_without_it_is_told_before_the_answer() {
    for (allow, told) in [
        ("Allow: INVITE, ACK, BYE", true),
        ("Allow: INVITE, ACK, BYE, INFO", false),
        ("Subject: no Allow at all", false),
    ] {
        let mut pair = Pair::new();
        let a = pair.dial();
        let invite = pair.request(Side::Alice, "INVITE");
        let more = [allow, "Contact: <sip:bob@192.0.2.2:5070>"];
        let ok = peer::response(&invite, 200, "b", &more, b"");
        pair.inject(Side::Alice, Side::Bob.addr(), &ok);
        let events = pair.events(Side::Alice, a);
        assert_eq!(events.first() == Some(&CallEvent::NoInfo), told, "{allow}");
        assert!(matches!(events.last(), Some(CallEvent::Answered { .. })));
    }
}

#[test]
fn a_callers_allow_counts_as_well() {
    for (allow, told) in [("Allow: INVITE, ACK, BYE, CANCEL", 1), ("Allow: INFO", 0)] {
        let mut pair = Pair::new();
        let invite = peer::request("INVITE", "i1", &[allow], "");
        pair.inject(Side::Bob, peer::stranger(), &invite);
        let b = pair.bobs_call();
        assert_eq!(pair.events(Side::Bob, b).len(), told, "{allow}");
    }
}

fn answered(status: u16) -> CallEvent {
    CallEvent::InfoAnswered { status }
}
