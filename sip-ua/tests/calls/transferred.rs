// SPDX-License-Identifier: MPL-2.0
//! The far end asks to be transferred (REFER), and is told how that goes.

use sip_ua::endpoint::{CallEvent, CallId, EndCause, Transfer, TransferRequest, TransferTo};
use sip_ua::wire::{HeaderName, Method};

use crate::pair::{Fate, MINUTE, Pair, Side, ms};

const CAROL: &str = "sip:carol@192.0.2.9";

/// A call in which Bob lets Alice ask for transfers, and she has.
fn asked() -> (Pair, CallId, CallId) {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    pair.act(Side::Bob, |bob, _| bob.permit_transfers(b, true));
    refer(&mut pair, a, CAROL);
    pair.run(ms(50));
    (pair, a, b)
}

fn refer(pair: &mut Pair, a: CallId, to: &str) {
    let to = TransferTo::Uri(to.parse().unwrap());
    pair.act(Side::Alice, |alice, now| alice.transfer(now, a, to));
}

fn accept(pair: &mut Pair, b: CallId) {
    pair.act(Side::Bob, |bob, now| bob.answer_transfer(now, b, Ok(())));
    pair.run(ms(50));
}

fn notify(pair: &mut Pair, b: CallId, status: u16) {
    pair.act(Side::Bob, |bob, now| {
        bob.notify_transfer(now, b, status, None)
    });
}

fn last(pair: &Pair, a: CallId) -> Transfer {
    let mut events = pair.events(Side::Alice, a).iter().rev();
    let found = events.find_map(|event| match event {
        CallEvent::Transfer(transfer) => Some(transfer.clone()),
        _ => None,
    });
    found.expect("Alice was told something")
}

fn requested(pair: &Pair, b: CallId) -> Option<&TransferRequest> {
    match pair.events(Side::Bob, b).last() {
        Some(CallEvent::TransferRequested(request)) => Some(request),
        _ => None,
    }
}

#[test]
fn whoever_permits_it_is_asked_and_tells_how_it_goes() {
    let (mut pair, a, b) = asked();
    let request = requested(&pair, b).expect("Bob is asked");
    assert_eq!(request.to.to_string(), CAROL);
    assert_eq!(request.replaces, None);
    let by = request.referred_by.as_deref();
    assert_eq!(by, Some(&b"<sip:alice@example.org>"[..]));
    accept(&mut pair, b);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 202"), 1);
    let trying = pair.request(Side::Bob, "NOTIFY");
    assert_eq!(trying.body, b"SIP/2.0 100 Trying\r\n");
    assert_eq!(trying.headers.get(HeaderName::Event), Some(&b"refer"[..]));
    assert!(trying.headers.contains(HeaderName::Contact));
    notify(&mut pair, b, 180);
    pair.run(ms(50));
    assert!(matches!(
        last(&pair, a),
        Transfer::Progress { status: 180, .. }
    ));
    notify(&mut pair, b, 200);
    pair.run(ms(50));
    let done = pair.request(Side::Bob, "NOTIFY");
    assert_eq!(
        done.headers.get(HeaderName::SubscriptionState),
        Some(&b"terminated;reason=noresource"[..])
    );
    assert!(matches!(
        last(&pair, a),
        Transfer::Succeeded { status: 200, .. }
    ));
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Transferred);
    assert_eq!(pair.end(Side::Bob, b).cause, EndCause::HungUp);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn nobody_is_transferred_who_may_not() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    refer(&mut pair, a, CAROL);
    pair.run(ms(50));
    assert_eq!(requested(&pair, b), None);
    assert!(matches!(
        last(&pair, a),
        Transfer::Refused { status: 603, .. }
    ));
    pair.run(MINUTE);
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
}

#[test]
fn a_refusal_harms_no_call_and_one_may_ask_again() {
    let (mut pair, a, b) = asked();
    pair.act(Side::Bob, |bob, now| bob.answer_transfer(now, b, Err(403)));
    pair.run(ms(50));
    assert!(matches!(
        last(&pair, a),
        Transfer::Refused { status: 403, .. }
    ));
    refer(&mut pair, a, CAROL);
    pair.run(ms(50));
    accept(&mut pair, b);
    // The second in its dialog has a name.
    let event = pair.request(Side::Bob, "NOTIFY");
    let event = event.headers.get(HeaderName::Event).unwrap();
    assert!(event.starts_with(b"refer;id="), "{event:?}");
    notify(&mut pair, b, 486);
    pair.run(ms(50));
    assert!(matches!(
        last(&pair, a),
        Transfer::Failed {
            status: Some(486),
            ..
        }
    ));
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_user_that_says_nothing_refuses() {
    let (mut pair, a, _) = asked();
    pair.run(ms(20_000));
    assert!(matches!(
        last(&pair, a),
        Transfer::Refused { status: 603, .. }
    ));
}

#[test]
fn news_do_not_overtake_each_other_on_a_lossy_wire() {
    let (mut pair, a, b) = asked();
    pair.wire =
        Box::new(
            |passing| match passing.line.starts_with("NOTIFY") && passing.nth % 2 == 1 {
                true => Fate::Lose,
                false => Fate::Deliver,
            },
        );
    accept(&mut pair, b);
    for status in [180, 183, 200] {
        notify(&mut pair, b, status);
    }
    pair.run(ms(5_000));
    let notifies = pair.with_start(Side::Bob, "NOTIFY");
    let mut said: Vec<Vec<u8>> = notifies
        .map(|notify| {
            let at = notify
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap();
            notify[at + 4..].to_vec()
        })
        .collect();
    said.dedup();
    // What was news when nothing could be sent is news no more.
    assert_eq!(
        said,
        [&b"SIP/2.0 100 Trying\r\n"[..], b"SIP/2.0 200 OK\r\n"]
    );
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Transferred);
}

#[test]
fn what_cannot_be_called_is_refused_by_its_name() {
    for (to, status) in [
        ("Refer-To: <mailto:carol@example.org>", 416),
        ("Refer-To: <sip:carol@example.org;method=BYE>", 603),
        ("Refer-To: <<sip:carol", 400),
        ("Refer-To: <sip:c@x?Replaces=nonsense>", 400),
        ("Subject: no target", 400),
    ] {
        let (mut pair, a, b) = asked();
        pair.act(Side::Bob, |bob, now| bob.answer_transfer(now, b, Err(603)));
        let _ = a;
        let mut refer = pair.request(Side::Alice, "REFER");
        refer.headers.remove(HeaderName::ReferTo);
        refer.headers.set(
            HeaderName::Via,
            "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-x",
        );
        refer.headers.set(HeaderName::CSeq, "2000000000 REFER");
        let (name, value) = to.split_once(": ").unwrap();
        refer.headers.push(name, value);
        pair.inject(Side::Bob, Side::Alice.addr(), &refer.to_bytes());
        let (_, last) = pair.messages.last().unwrap();
        let expected = format!("SIP/2.0 {status} ");
        assert!(last.starts_with(expected.as_bytes()), "{to}");
    }
}

#[test]
fn components_of_the_target_are_not_ours_to_send() {
    let (mut pair, _, b) = asked();
    pair.act(Side::Bob, |bob, now| bob.answer_transfer(now, b, Err(603)));
    pair.run(ms(50));
    let mut refer = pair.request(Side::Alice, "REFER");
    let to = "<sip:carol@192.0.2.9;method=INVITE?Route=%3Csip:x%3E&Replaces=c%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    refer.headers.set(HeaderName::ReferTo, to);
    refer.headers.set(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-x",
    );
    refer.headers.set(HeaderName::CSeq, "2000000000 REFER");
    pair.inject(Side::Bob, Side::Alice.addr(), &refer.to_bytes());
    let request = requested(&pair, b).expect("Bob is asked");
    assert_eq!(request.to.to_bytes(), b"sip:carol@192.0.2.9");
    let replaces = request.replaces.as_ref().expect("it names a call");
    assert_eq!(replaces.to_bytes(), b"c@x;to-tag=1;from-tag=2");
}

#[test]
fn the_end_of_the_call_leaves_nothing_behind() {
    for by in [Side::Alice, Side::Bob] {
        for answered in [false, true] {
            let (mut pair, a, b) = asked();
            if answered {
                accept(&mut pair, b);
            }
            let id = if by == Side::Alice { a } else { b };
            pair.act(by, |endpoint, now| endpoint.hangup(now, id, None));
            pair.run(MINUTE);
            notify(&mut pair, b, 200);
            pair.run(MINUTE);
            pair.assert_empty();
        }
    }
}

#[test]
fn whoever_wants_to_be_told_nothing_is_told_nothing() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    pair.act(Side::Bob, |bob, _| bob.permit_transfers(b, true));
    let mut refer = pair.request(Side::Alice, "ACK");
    let _ = a;
    refer.method = Method::Refer;
    refer
        .headers
        .push(HeaderName::ReferTo, "<sip:carol@192.0.2.9>");
    refer.headers.push(HeaderName::ReferSub, "false");
    refer.headers.push(HeaderName::Require, "norefersub");
    refer.headers.set(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-x",
    );
    refer.headers.set(HeaderName::CSeq, "2000000000 REFER");
    pair.inject(Side::Bob, Side::Alice.addr(), &refer.to_bytes());
    accept(&mut pair, b);
    let response = pair.response(Side::Bob, "SIP/2.0 202");
    let said = response.headers.get(HeaderName::ReferSub);
    assert_eq!(said, Some(&b"false"[..]));
    notify(&mut pair, b, 200);
    assert_eq!(pair.count(Side::Bob, "NOTIFY"), 0);
}
