// SPDX-License-Identifier: MPL-2.0
//! Proxies that want to stay in the way (RFC 3261 §12.1, §12.2.1.1).

use sip_ua::wire::{HeaderName, Headers};

use crate::pair::{ANSWER, Fate, Pair, Side, ms};
use crate::peer;

fn values(headers: &Headers, name: HeaderName) -> Vec<String> {
    headers
        .list(name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[test]
fn the_callee_copies_the_route_in_order_and_follows_it() {
    let mut pair = Pair::new();
    let routes = [
        "Record-Route: <sip:198.51.100.1:5080;lr>;x=\"a,b\", \"Two\" <sip:198.51.100.2;lr>",
        "Record-Route: <sip:p3.example;lr>",
        "Content-Type: application/sdp",
    ];
    let invite = peer::request("INVITE", "rr", &routes, "v=0");
    pair.inject(Side::Bob, peer::stranger(), &invite);
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    let ok = peer::read_response(&pair.strays[0].1);
    let expected = [
        "<sip:198.51.100.1:5080;lr>;x=\"a,b\"",
        "\"Two\" <sip:198.51.100.2;lr>",
        "<sip:p3.example;lr>",
    ];
    assert_eq!(values(&ok.headers, HeaderName::RecordRoute), expected);
    let to = String::from_utf8(ok.headers.get(HeaderName::To).unwrap().to_vec()).unwrap();
    let ack = peer::request("ACK", "rr-ack", &[&format!("To: {to}"), "CSeq: 1 ACK"], "");
    let ack = String::from_utf8(ack)
        .unwrap()
        .replace("m-rr-ack", "m-rr")
        .replace("rr-ack@", "rr@");
    pair.inject(Side::Bob, peer::stranger(), ack.as_bytes());
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    let bye = pair.request(Side::Bob, "BYE sip:mallory@198.51.100.9");
    assert_eq!(values(&bye.headers, HeaderName::Route), expected);
    assert_eq!(
        pair.strays.last().unwrap().0,
        "198.51.100.1:5080".parse().unwrap()
    );
}

#[test]
fn the_caller_reverses_it() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let a = pair.dial();
    let invite = pair.request(Side::Alice, "INVITE");
    let ok = [
        "Contact: <sip:bob@10.9.8.7:5099>",
        "Record-Route: <sip:p2.example;lr>",
        "Record-Route: <sip:198.51.100.1;lr>",
        "Content-Type: application/sdp",
    ];
    let ok = peer::response(&invite, 200, "b", &ok, ANSWER);
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    for start in ["ACK sip:bob@10.9.8.7:5099", "BYE sip:bob@10.9.8.7:5099"] {
        let request = pair.request(Side::Alice, start);
        let routes = values(&request.headers, HeaderName::Route);
        assert_eq!(routes, ["<sip:198.51.100.1;lr>", "<sip:p2.example;lr>"]);
    }
    assert!(
        pair.strays
            .iter()
            .all(|(to, _)| *to == "198.51.100.1:5060".parse().unwrap())
    );
}

#[test]
fn a_strict_router_gets_the_request_uri() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let a = pair.dial();
    let invite = pair.request(Side::Alice, "INVITE");
    let ok = [
        "Contact: <sip:bob@10.9.8.7:5099>",
        "Record-Route: <sip:198.51.100.1:5081>",
        "Content-Type: application/sdp",
    ];
    let ok = peer::response(&invite, 200, "b", &ok, ANSWER);
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    pair.run(ms(1));
    let ack = pair.request(Side::Alice, "ACK sip:198.51.100.1:5081 SIP/2.0");
    assert_eq!(
        values(&ack.headers, HeaderName::Route),
        ["<sip:bob@10.9.8.7:5099>"]
    );
    assert_eq!(pair.strays[0].0, "198.51.100.1:5081".parse().unwrap());
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
}

/// §19.1.1: a Request-URI has neither. Header fields in it would be some that a stranger adds.
#[test]
fn a_contact_with_header_fields_is_called_without_them() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let a = pair.dial();
    let invite = pair.request(Side::Alice, "INVITE");
    let ok = [
        "Contact: <sip:bob@192.0.2.2:5070;method=MESSAGE;x=y?Subject=mine&Replaces=other>",
        "Content-Type: application/sdp",
    ];
    let ok = peer::response(&invite, 200, "b", &ok, ANSWER);
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    for method in ["ACK", "BYE"] {
        let request = pair.request(Side::Alice, method);
        assert_eq!(request.uri.to_string(), "sip:bob@192.0.2.2:5070;x=y");
    }
}
