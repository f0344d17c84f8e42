// SPDX-License-Identifier: MPL-2.0
//! RFC 5626 §6: a registrar that sends calls down the connection they were asked for over.

use std::net::SocketAddr;
use std::sync::Arc;

use sip_ua::endpoint::Verdict;
use sip_ua::registrar::{Binding, Config};
use sip_ua::transport::{FlowId, Hop, Transport};
use sip_ua::wire::{HeaderName, Response};

use crate::outbound::flows;
use crate::pair::{Pair, Side, endpoint, everyone};
use crate::registering::registrar;

const ONE: &str = "+sip.instance=\"<urn:uuid:00000000-0000-8000-8000-000000000001>\"";

/// Bob takes everybody at `bob`'s word.
fn trusting() -> Pair {
    let screen = Arc::new(|_: &_, _| Verdict::AllowUser("bob".to_owned()));
    Pair::of(
        endpoint(1, everyone()),
        registrar(screen, Config::default()),
    )
}

/// A device's end of a connection.
fn device(port: u16) -> SocketAddr {
    ([198, 51, 100, 9], port).into()
}

fn hop(port: u16) -> Hop {
    Hop::new(Transport::Tcp, device(port))
}

/// A REGISTER with this Contact that came over a connection; `more` holds whole header lines.
fn register(
    pair: &mut Pair,
    (flow, port): (FlowId, u16),
    name: &str,
    contact: &str,
    more: &[&str],
) -> Response {
    let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "REGISTER sip:192.0.2.2 SIP/2.0\r\n\
         Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK-{name}\r\n\
         From: <sip:bob@192.0.2.2>;tag={name}\r\n\
         To: <sip:bob@192.0.2.2>\r\n\
         Call-ID: {name}\r\n\
         CSeq: 1 REGISTER\r\n\
         Max-Forwards: 70\r\n\
         Contact: <sip:bob@10.0.0.1;transport=tcp>;{contact}\r\n\
         {more}Content-Length: 0\r\n\r\n",
    );
    pair.inject_over(Side::Bob, device(port), flow, text.as_bytes());
    pair.response(Side::Bob, "SIP/2.0")
}

const SUPPORTED: &str = "Supported: path, outbound";

fn flow_contact(reg_id: u32) -> String {
    format!("reg-id={reg_id};{ONE}")
}

fn requires_outbound(response: &Response) -> bool {
    response.headers.lists(HeaderName::Require, "outbound")
}

fn ports(bound: &[Binding]) -> Vec<u16> {
    bound
        .iter()
        .map(|binding| binding.hop.addr.port())
        .collect()
}

#[test]
fn a_new_connection_takes_the_place_of_the_old_one_and_another_stands_beside() {
    let mut pair = trusting();
    let [a, b, c] = flows();
    let answer = register(&mut pair, (a, 1001), "a", &flow_contact(1), &[SUPPORTED]);
    assert_eq!(answer.status, 200);
    assert!(requires_outbound(&answer));
    let said = answer.headers.get(HeaderName::Contact).unwrap();
    assert!(String::from_utf8_lossy(said).contains(&flow_contact(1)));
    assert_eq!(ports(&pair.bound("bob")), [1001]);
    // The same Contact from another process, as after a crash.
    register(&mut pair, (b, 1002), "b", &flow_contact(1), &[SUPPORTED]);
    assert_eq!(ports(&pair.bound("bob")), [1002]);
    register(&mut pair, (c, 1003), "c", &flow_contact(2), &[SUPPORTED]);
    assert_eq!(ports(&pair.bound("bob")), [1003, 1002]);
    assert_eq!(pair.bound("bob")[0].hop, hop(1003));
    let leaves = ["Expires: 0", SUPPORTED];
    register(&mut pair, (c, 1003), "d", &flow_contact(1), &leaves);
    assert_eq!(ports(&pair.bound("bob")), [1003]);
}

#[test]
fn it_is_over_when_its_connection_is() {
    let mut pair = trusting();
    let [a, b] = flows();
    register(&mut pair, (a, 1001), "a", &flow_contact(1), &[SUPPORTED]);
    register(&mut pair, (b, 1002), "b", &flow_contact(2), &[SUPPORTED]);
    pair.act(Side::Bob, |bob, now| bob.handle_lost(now, hop(1001)));
    assert_eq!(ports(&pair.bound("bob")), [1002]);
    pair.act(Side::Bob, |bob, now| bob.handle_lost(now, hop(1002)));
    assert!(pair.bound("bob").is_empty());
}

#[test]
fn who_does_not_ask_for_it_stays_bound_to_an_address() {
    let mut pair = trusting();
    let [a, b] = flows();
    for (name, contact, more) in [
        ("a", flow_contact(1), &[][..]),
        ("b", ONE.to_owned(), &[SUPPORTED]),
        ("c", "reg-id=1".to_owned(), &[SUPPORTED]),
    ] {
        let answer = register(&mut pair, (a, 1001), name, &contact, more);
        assert_eq!(answer.status, 200);
        assert!(!requires_outbound(&answer), "{contact}");
    }
    pair.act(Side::Bob, |bob, now| bob.handle_lost(now, hop(1001)));
    assert_eq!(pair.bound("bob").len(), 1);
    // The device learns to ask: what it was bound to before is its old place.
    register(&mut pair, (b, 1002), "d", ONE, &[]);
    register(&mut pair, (b, 1002), "e", &flow_contact(1), &[SUPPORTED]);
    let bound = pair.bound("bob");
    assert_eq!(bound.iter().filter(|b| b.hop == hop(1002)).count(), 1);
}

#[test]
fn a_proxy_that_knows_nothing_of_it_is_told_on() {
    let mut pair = trusting();
    let [a] = flows();
    let proxied = "Via: SIP/2.0/TCP 10.0.0.7;branch=z9hG4bK-first";
    let more = [proxied, SUPPORTED];
    let answer = register(&mut pair, (a, 1001), "a", &flow_contact(1), &more);
    assert_eq!(answer.status, 439);
    assert!(pair.bound("bob").is_empty());
    let path = "Path: <sip:far.example;lr>, <sip:edge.example;lr>";
    let more = [proxied, path, SUPPORTED];
    let answer = register(&mut pair, (a, 1001), "b", &flow_contact(1), &more);
    assert_eq!(answer.status, 439);
    // The connection is the proxy's, which keeps the phone's.
    let path = "Path: <sip:far.example;lr>, <sip:edge.example;lr;ob>";
    let more = [proxied, path, SUPPORTED];
    let answer = register(&mut pair, (a, 1001), "c", &flow_contact(1), &more);
    assert_eq!(answer.status, 200);
    assert!(requires_outbound(&answer));
    assert_eq!(ports(&pair.bound("bob")), [1001]);
    let [b] = flows();
    let answer = register(&mut pair, (b, 1002), "d", &flow_contact(1), &more);
    assert_eq!(answer.status, 200);
    assert_eq!(ports(&pair.bound("bob")), [1002]);
    // It does not end with the proxy's.
    pair.act(Side::Bob, |bob, now| bob.handle_lost(now, hop(1002)));
    assert_eq!(pair.bound("bob").len(), 1);
}

#[test]
fn one_connection_is_one_contact() {
    let mut pair = trusting();
    let [a] = flows();
    let two = format!(
        "{},<sip:bob@10.0.0.2;transport=tcp>;{}",
        flow_contact(1),
        flow_contact(2)
    );
    let answer = register(&mut pair, (a, 1001), "a", &two, &[SUPPORTED]);
    assert_eq!(answer.status, 400);
    assert!(pair.bound("bob").is_empty());
}
