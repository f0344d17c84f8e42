// SPDX-License-Identifier: MPL-2.0
//! INFO within a call: digits of old phones.

use sip_ua::endpoint::CallEvent;
use sip_ua::wire::{HeaderName, Method};

use crate::pair::{Pair, Side, ms};

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
