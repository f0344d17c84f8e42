// SPDX-License-Identifier: MPL-2.0
//! A call out through an outbound proxy: the Route is loaded before there is a dialog.

use sip_ua::wire::HeaderName;

use crate::pair::{ANSWER, Pair, Side, ms, outgoing};

#[test]
fn a_loose_router_stands_in_route_and_nowhere_else() {
    let mut pair = Pair::new();
    let mut call = outgoing();
    call.route = vec![
        "<sip:192.0.2.2:5070;lr>".parse().unwrap(),
        "<sip:edge.example;lr>".parse().unwrap(),
    ];
    let a = pair.dial_with(call);
    pair.run(ms(50));
    let invite = pair.request(Side::Alice, "INVITE");
    assert_eq!(invite.uri.to_string(), "sip:bob@192.0.2.2:5070");
    let routes: Vec<_> = invite.headers.list(HeaderName::Route).collect();
    assert_eq!(
        routes,
        [&b"<sip:192.0.2.2:5070;lr>"[..], b"<sip:edge.example;lr>"]
    );
    // A CANCEL takes the same way (§9.1).
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(50));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    let cancel = pair.request(Side::Alice, "CANCEL");
    assert_eq!(cancel.headers.count(HeaderName::Route), 2);
}

#[test]
fn within_the_call_only_recorded_routes_count() {
    let mut pair = Pair::new();
    let mut call = outgoing();
    call.route = vec!["<sip:192.0.2.2:5070;lr>".parse().unwrap()];
    let a = pair.dial_with(call);
    pair.run(ms(50));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(50));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    let bye = pair.request(Side::Alice, "BYE");
    assert!(!bye.headers.contains(HeaderName::Route));
}

#[test]
fn a_strict_router_takes_the_request_uri() {
    let mut pair = Pair::new();
    let mut call = outgoing();
    call.route = vec!["<sip:192.0.2.2:5070>".parse().unwrap()];
    pair.dial_with(call);
    let invite = pair.request(Side::Alice, "INVITE");
    assert_eq!(invite.uri.to_string(), "sip:192.0.2.2:5070");
    assert_eq!(
        invite.headers.get(HeaderName::Route),
        Some(&b"<sip:bob@192.0.2.2:5070>"[..])
    );
}
