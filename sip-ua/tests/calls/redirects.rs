// SPDX-License-Identifier: MPL-2.0
//! 3xx to an INVITE (RFC 3261 §8.1.3.4): followed only where the caller said so, and never in circles.

use sip_ua::endpoint::{CallEvent, CallId, EndCause};
use sip_ua::wire::{HeaderName, Request};

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, ms, outgoing};
use crate::peer;

fn dialled(follow_redirects: bool) -> (Pair, CallId) {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let mut call = outgoing();
    call.follow_redirects = follow_redirects;
    let a = pair.dial_with(call);
    (pair, a)
}

/// The answer to Alice's last INVITE, from where it went.
fn answer(pair: &mut Pair, status: u16, more: &[&str], body: &[u8]) -> Request {
    let invite = pair.request(Side::Alice, "INVITE");
    let from = match invite.uri.host.ip() {
        Some(ip) => (ip, invite.uri.port.unwrap_or(5060)).into(),
        None => Side::Bob.addr(),
    };
    let datagram = peer::response(&invite, status, &format!("t{status}"), more, body);
    pair.inject(Side::Alice, from, &datagram);
    invite
}

fn uris(pair: &Pair) -> Vec<String> {
    let mut uris: Vec<String> = pair
        .ladder
        .iter()
        .filter_map(|line| line.split_once("Alice INVITE "))
        .map(|(_, uri)| uri.trim_end_matches(" SIP/2.0").to_owned())
        .collect();
    uris.dedup();
    uris
}

#[test]
fn nobody_is_called_that_the_caller_did_not_ask_for() {
    let (mut pair, a) = dialled(false);
    answer(
        &mut pair,
        302,
        &["Contact: <sip:carol@192.0.2.2:5070>"],
        b"",
    );
    assert_eq!(uris(&pair).len(), 1);
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.cause, end.status), (EndCause::Refused, Some(302)));
}

#[test]
fn the_call_goes_on_to_whom_the_302_names() {
    let (mut pair, a) = dialled(true);
    let contact = "Contact: \"Carol\" <sip:carol@192.0.2.2:5070;method=INVITE?Route=x>;q=0.5";
    let first = answer(&mut pair, 302, &[contact], b"");
    let second = pair.request(Side::Alice, "INVITE sip:carol@192.0.2.2:5070 SIP/2.0");
    for name in [HeaderName::CallId, HeaderName::From, HeaderName::To] {
        assert_eq!(second.headers.get(name.clone()), first.headers.get(name));
    }
    assert_ne!(
        second.headers.get(HeaderName::CSeq),
        first.headers.get(HeaderName::CSeq)
    );
    assert_eq!(second.headers.count(HeaderName::Via), 1);
    assert!(!second.headers.contains(HeaderName::Route));
    assert_eq!(second.body, OFFER);
    assert_eq!(pair.count(Side::Alice, "ACK"), 1);
    let more = [
        "Contact: <sip:carol@192.0.2.2:5070>",
        "Content-Type: application/sdp",
    ];
    answer(&mut pair, 200, &more, ANSWER);
    let answered = CallEvent::Answered {
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(pair.events(Side::Alice, a), [answered]);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE * 2);
    pair.assert_empty();
}

#[test]
fn the_best_first_and_the_others_when_it_fails() {
    let (mut pair, a) = dialled(true);
    let contacts = [
        "Contact: <sip:low@192.0.2.2:5070>;q=0.1, <sip:best@192.0.2.2:5070>;q=0.9",
        "Contact: <tel:+4930123>, <sips:tls@192.0.2.2>, <sip:mid@192.0.2.2:5070>;q=0.5",
        "Contact: <sip:odd@no.such.host>;q=0.3",
    ];
    answer(&mut pair, 300, &contacts, b"");
    answer(&mut pair, 486, &[], b"");
    answer(&mut pair, 404, &[], b"");
    let called: Vec<String> = uris(&pair).into_iter().skip(1).collect();
    // A host that is not found is passed over.
    let expected = ["best", "mid", "low"].map(|user| format!("sip:{user}@192.0.2.2:5070"));
    assert_eq!(called, expected);
    answer(&mut pair, 480, &["Reason: Q.850;cause=19"], b"");
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.status, end.reasons[0].cause), (Some(480), 19));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn nobody_else_is_tried_after_a_603_or_a_hangup() {
    let contacts = ["Contact: <sip:one@192.0.2.2:5070>, <sip:two@192.0.2.2:5070>"];
    let (mut pair, a) = dialled(true);
    answer(&mut pair, 302, &contacts, b"");
    answer(&mut pair, 603, &[], b"");
    assert_eq!(uris(&pair).len(), 2);
    assert_eq!(pair.end(Side::Alice, a).status, Some(603));

    let (mut pair, a) = dialled(true);
    answer(&mut pair, 302, &contacts, b"");
    answer(&mut pair, 180, &[], b"");
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    answer(&mut pair, 487, &[], b"");
    assert_eq!(uris(&pair).len(), 2);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_circle_ends_and_so_does_a_long_way() {
    let (mut pair, a) = dialled(true);
    answer(
        &mut pair,
        302,
        &["Contact: <sip:carol@192.0.2.2:5070>"],
        b"",
    );
    let back = ["Contact: <sip:bob@192.0.2.2:5070>, <sip:carol@192.0.2.2:5070>"];
    answer(&mut pair, 302, &back, b"");
    assert_eq!(uris(&pair).len(), 2);
    assert_eq!(pair.end(Side::Alice, a).status, Some(302));

    let (mut pair, a) = dialled(true);
    for at in 0..10 {
        let contact = format!("Contact: <sip:hop{at}@192.0.2.2:5070>");
        answer(&mut pair, 302, &[&contact], b"");
    }
    assert_eq!(uris(&pair).len(), 6);
    assert_eq!(pair.end(Side::Alice, a).status, Some(302));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn neither_proxies_nor_other_services_nor_places_of_our_own_are_followed() {
    for status in [303, 305, 380] {
        let (mut pair, a) = dialled(true);
        answer(
            &mut pair,
            status,
            &["Contact: <sip:carol@192.0.2.2:5070>"],
            b"",
        );
        assert_eq!(uris(&pair).len(), 1, "{status}");
        assert_eq!(pair.end(Side::Alice, a).status, Some(status));
    }
    for host in [
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "224.0.0.1",
        "0.0.0.0",
    ] {
        let (mut pair, a) = dialled(true);
        answer(&mut pair, 302, &[&format!("Contact: <sip:x@{host}>")], b"");
        assert_eq!(uris(&pair).len(), 1, "{host}");
        assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Unreachable);
    }
    for contact in [
        "Expires: 5",
        "Contact: *",
        "Contact: <sip:carol@192.0.2.2;transport=carrier-pigeon>",
    ] {
        let (mut pair, a) = dialled(true);
        answer(&mut pair, 302, &[contact], b"");
        assert_eq!(pair.end(Side::Alice, a).status, Some(302), "{contact}");
    }
}

#[test]
fn a_target_that_does_not_answer_is_passed_over() {
    let (mut pair, a) = dialled(true);
    let contacts = ["Contact: <sip:mute@192.0.2.2:5070>;q=1, <sip:there@192.0.2.2:5070>;q=0.2"];
    answer(&mut pair, 302, &contacts, b"");
    pair.run(ms(33_000));
    assert_eq!(uris(&pair).len(), 3);
    assert!(pair.events(Side::Alice, a).is_empty());
}
