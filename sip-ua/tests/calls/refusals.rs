// SPDX-License-Identifier: MPL-2.0
//! What is refused, and with which status: by the callee's user, and by the user agent itself.

use sip_ua::endpoint::{EndCause, EndedBy};
use sip_ua::wire::{HeaderName, Response};

use crate::pair::{Fate, MINUTE, Pair, Side, ms};
use crate::peer::{read_response, request, stranger};

#[test]
fn a_busy_callee_refuses_and_the_caller_hears_why() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| {
        bob.reject(now, b, 486, Some("In A Meeting\r\nX: y"))
    });
    pair.run(ms(50));
    let end = pair.end(Side::Alice, a);
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, EndCause::Busy, Some(486))
    );
    assert_eq!(end.reason, "the far end answered 486 In A Meeting  X: y");
    assert_eq!(pair.end(Side::Bob, b).by, EndedBy::Local);
    assert_eq!(pair.count(Side::Alice, "ACK"), 1);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_caller_is_told_when_to_try_again_in_whole_seconds() {
    for (wait, said) in [
        (Some(ms(7_000)), Some(7)),
        (Some(ms(10)), Some(1)),
        (None, None),
    ] {
        let mut pair = Pair::new();
        let a = pair.dial();
        pair.run(ms(20));
        let b = pair.bobs_call();
        pair.act(Side::Bob, |bob, now| {
            bob.reject_for(now, b, 480, None, wait)
        });
        pair.run(ms(50));
        let end = pair.end(Side::Alice, a);
        assert_eq!(end.status, Some(480));
        assert_eq!(end.retry_after, said.map(std::time::Duration::from_secs));
    }
}

#[test]
fn a_refusal_whose_acks_are_lost_is_repeated_and_then_forgotten() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|passing| match passing.line.starts_with("ACK") {
        true => Fate::Lose,
        false => Fate::Deliver,
    });
    pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.reject(now, b, 404, None));
    pair.run(ms(40_000));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 404"), 11);
    assert_eq!(pair.count(Side::Alice, "ACK"), 11);
    pair.run(MINUTE);
    pair.assert_empty();
}

/// What Bob answers to a request of a stranger's, and that nothing of it is remembered.
fn answer(datagram: &[u8]) -> Response {
    let mut pair = Pair::new();
    pair.inject(Side::Bob, stranger(), datagram);
    assert_eq!(pair.strays.len(), 1, "one answer");
    let (to, bytes) = pair.strays[0].clone();
    assert_eq!(to, stranger());
    // A repetition gets the same answer again, To tag included.
    pair.inject(Side::Bob, stranger(), datagram);
    assert_eq!(pair.strays[1].1, bytes);
    assert_eq!(pair.bob.stats().server_transactions, 0);
    let response = read_response(&bytes);
    let to = String::from_utf8_lossy(response.headers.get(HeaderName::To).unwrap()).into_owned();
    assert!(to.contains(";tag="), "{to}");
    response
}

#[test]
fn methods() {
    let response = answer(&request("FROBNICATE", "m1", &[], ""));
    assert_eq!(response.status, 501);
    assert!(response.headers.lists(HeaderName::Allow, "INVITE"));
    for method in ["REGISTER", "PUBLISH", "MESSAGE"] {
        let response = answer(&request(method, "m2", &[], ""));
        assert_eq!(response.status, 405, "{method}");
        assert!(response.headers.lists(HeaderName::Allow, "BYE"));
    }
    // It is known, but only for calls.
    assert_eq!(answer(&request("REFER", "m4", &[], "")).status, 603);
    // Whoever wants to know when somebody is free again is told that nobody tells.
    for event in ["Event: dialog", "o: presence", "Subject: no event"] {
        let response = answer(&request("SUBSCRIBE", "m5", &[event], ""));
        assert_eq!(response.status, 489, "{event}");
        assert!(response.headers.lists(HeaderName::AllowEvents, "refer"));
    }
    let refer = request("SUBSCRIBE", "m6", &["Event: refer;id=1"], "");
    assert_eq!(answer(&refer).status, 403);
    for method in ["BYE", "INFO", "UPDATE", "PRACK", "NOTIFY", "CANCEL"] {
        assert_eq!(
            answer(&request(method, "m3", &[], "")).status,
            481,
            "{method}"
        );
    }
    let unknown = ["To: <sip:bob@192.0.2.2>;tag=never-was"];
    for method in ["INVITE", "OPTIONS", "BYE", "REFER", "SUBSCRIBE"] {
        assert_eq!(
            answer(&request(method, "m4", &unknown, "")).status,
            481,
            "{method}"
        );
    }
}

#[test]
fn extensions_schemes_bodies_and_headers() {
    let response = answer(&request(
        "INVITE",
        "r1",
        &["Require: 100rel, nothing-known"],
        "",
    ));
    assert_eq!(response.status, 420);
    assert_eq!(
        response.headers.get(HeaderName::Unsupported),
        Some(&b"nothing-known"[..])
    );

    let text = String::from_utf8(request("INVITE", "r2", &[], "")).unwrap();
    let mailto = text.replace(
        "INVITE sip:bob@192.0.2.2:5070",
        "INVITE mailto:bob@example.org",
    );
    assert_eq!(answer(mailto.as_bytes()).status, 416);
    let version = text.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia");
    assert_eq!(answer(version.as_bytes()).status, 505);
    let contact = text.replace("Contact: <sip:mallory@198.51.100.9>\r\n", "");
    assert_eq!(answer(contact.as_bytes()).status, 400);
    let call_id = text.replace("Call-ID: r2@198.51.100.9\r\n", "");
    let response = answer(call_id.as_bytes());
    assert_eq!(
        (response.status, &response.reason[..]),
        (400, &b"Missing Call-ID Header"[..])
    );
    let mismatch = answer(&request("INVITE", "r3", &["CSeq: 8 INFO"], ""));
    assert_eq!(mismatch.status, 400);

    let response = answer(&request(
        "INVITE",
        "r4",
        &["Content-Type: text/html"],
        "<p>hi</p>",
    ));
    assert_eq!(response.status, 415);
    assert_eq!(
        response.headers.get(HeaderName::Accept),
        Some(&b"application/sdp"[..])
    );
    let zipped = ["Content-Type: application/sdp", "Content-Encoding: gzip"];
    let response = answer(&request("INVITE", "r5", &zipped, "v=0"));
    assert_eq!(response.status, 415);
    assert_eq!(
        response.headers.get(HeaderName::AcceptEncoding),
        Some(&b"identity"[..])
    );
}

#[test]
fn a_request_out_of_order_gets_500_and_a_lower_ack_nothing() {
    let mut pair = Pair::new();
    let (_, b) = pair.up();
    let mut info = pair.request(Side::Alice, "ACK");
    info.method = sip_ua::wire::Method::Info;
    let via = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-old";
    info.headers.set(HeaderName::Via, via);
    info.headers.set(HeaderName::CSeq, "1 INFO");
    pair.inject(Side::Bob, Side::Alice.addr(), &info.to_bytes());
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 500"), 1);
    // And again: the transaction answers.
    pair.inject(Side::Bob, Side::Alice.addr(), &info.to_bytes());
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 500"), 2);
    assert_eq!(pair.events(Side::Bob, b).len(), 1);
}

#[test]
fn requests_within_a_call_that_it_has_no_use_for() {
    let mut pair = Pair::new();
    pair.up();
    let cases = [
        ("REFER", 400),
        ("PRACK", 400),
        ("MESSAGE", 405),
        ("NOTIFY", 489),
        ("SUBSCRIBE", 489),
        ("DANCE", 501),
        ("OPTIONS", 200),
    ];
    for (at, (method, status)) in cases.into_iter().enumerate() {
        let mut request = pair.request(Side::Alice, "ACK");
        request.method = sip_ua::wire::Method::parse(method.as_bytes()).unwrap();
        let via = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{method}");
        request.headers.set(HeaderName::Via, via);
        request
            .headers
            .set(HeaderName::CSeq, format!("{} {method}", 2_000_000_000 + at));
        request.body = b"v=0".to_vec();
        let before = pair.messages.len();
        pair.inject(Side::Bob, Side::Alice.addr(), &request.to_bytes());
        let answer = read_response(&pair.messages[before].1);
        assert_eq!(answer.status, status, "{method}");
    }
}
