// SPDX-License-Identifier: MPL-2.0
//! RFC 3261 §18.1.1: whatever is too long for a datagram takes TCP, and UDP where there is none.

use sip_ua::endpoint::{CallEvent, CallId, Endpoint, EndpointConfig};
use sip_ua::registrar::Config;
use sip_ua::registration::RegistrationState;
use sip_ua::transport::{Hop, Transport};
use sip_ua::wire::HeaderName;

use crate::pair::{ANSWER, MINUTE, OFFER, Pair, Side, config, endpoint, everyone, ms, outgoing};
use crate::registering::{account, registrar, users};

/// Alice listens for both.
fn alice() -> Endpoint {
    Endpoint::new(EndpointConfig {
        listeners: vec![
            Hop::new(Transport::Udp, Side::Alice.addr()),
            Hop::new(Transport::Tcp, Side::Alice.addr()),
        ],
        ..config(1)
    })
}

fn pair(tcp: bool) -> Pair {
    let mut pair = Pair::of(alice(), endpoint(2, everyone()));
    pair.tcp = tcp;
    pair
}

/// A call without anything long, which is over UDP.
fn up(tcp: bool) -> (Pair, CallId) {
    let mut pair = pair(tcp);
    let (a, _) = pair.up();
    assert_eq!(pair.sent_over(Side::Alice, "INVITE"), [Transport::Udp]);
    (pair, a)
}

fn tell(pair: &mut Pair, a: CallId, octets: usize) {
    let body = vec![b'x'; octets];
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", body)
    });
    pair.run(ms(100));
}

fn answered(pair: &Pair, a: CallId) -> usize {
    let events = pair.events(Side::Alice, a).iter();
    let answered = |event: &&CallEvent| matches!(event, CallEvent::InfoAnswered { status: 200 });
    events.filter(answered).count()
}

fn via(pair: &Pair, start: &str) -> String {
    let request = pair.request(Side::Alice, start);
    let via = request.headers.get(HeaderName::Via).unwrap();
    String::from_utf8_lossy(via).into_owned()
}

#[test]
fn within_a_call_each_request_has_the_transport_of_its_length() {
    let (mut pair, a) = up(true);
    tell(&mut pair, a, 1400);
    tell(&mut pair, a, 10);
    assert_eq!(answered(&pair, a), 2);
    let both = [Transport::Tcp, Transport::Udp];
    assert_eq!(pair.sent_over(Side::Alice, "INFO"), both);
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, vec![b'v'; 1400])
    });
    pair.run(ms(100));
    assert!(via(&pair, "INVITE").starts_with("SIP/2.0/TCP "));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    assert_eq!(pair.sent_over(Side::Alice, "BYE"), [Transport::Udp]);
}

#[test]
fn within_a_call_it_goes_back_to_udp_and_stays_there() {
    let (mut pair, a) = up(false);
    for told in 1..3 {
        tell(&mut pair, a, 1400);
        assert_eq!(answered(&pair, a), told);
        assert!(via(&pair, "INFO").starts_with("SIP/2.0/UDP "));
    }
    // Ten minutes later somebody may have changed their mind.
    pair.run(MINUTE * 10);
    pair.tcp = true;
    tell(&mut pair, a, 1400);
    assert!(via(&pair, "INFO").starts_with("SIP/2.0/TCP "));
}

fn registering(tcp: bool) -> Pair {
    let mut pair = Pair::of(alice(), registrar(users(), Config::default()));
    pair.tcp = tcp;
    let mut account = account("secret", 600);
    let long = format!("<sip:192.0.2.2:5070;lr;x={}>", "x".repeat(1300));
    account.route = vec![long.parse().unwrap()];
    pair.register(account);
    pair.run(ms(100));
    let state = pair.registration();
    assert!(
        matches!(state, RegistrationState::Registered { .. }),
        "{state:?}"
    );
    pair
}

#[test]
fn a_long_register_takes_tcp_and_its_contact_stays_with_udp() {
    let mut pair = registering(true);
    // Without credentials, and with them.
    assert_eq!(pair.sent_over(Side::Alice, "REGISTER"), [Transport::Tcp; 2]);
    assert!(via(&pair, "REGISTER").starts_with("SIP/2.0/TCP "));
    let bound = &pair.bound("alice")[0];
    assert!(bound.contact.params.get("transport").is_none());
}

#[test]
fn a_long_register_goes_by_datagrams_where_nobody_accepts_connections() {
    let pair = registering(false);
    assert_eq!(pair.sent_over(Side::Alice, "REGISTER"), [Transport::Udp; 2]);
    assert!(via(&pair, "REGISTER").starts_with("SIP/2.0/UDP "));
    assert_eq!(pair.registrations.len(), 1);
}

/// Alice asks for an offer, and her answer goes with the ACK.
fn long_ack(tcp: bool) -> (Pair, CallId) {
    let mut pair = pair(tcp);
    let mut call = outgoing();
    call.offer = None;
    let a = pair.dial_with(call);
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, OFFER.to_vec()));
    pair.run(ms(20));
    let answer = [ANSWER, "a=x\r\n".repeat(300).as_bytes()].concat();
    pair.act(Side::Alice, |alice, now| {
        alice.accept(now, a, answer.clone())
    });
    (pair, b)
}

#[test]
fn an_ack_with_a_long_answer_takes_tcp() {
    let (mut pair, b) = long_ack(true);
    pair.run(MINUTE);
    assert_eq!(pair.sent_over(Side::Alice, "ACK"), [Transport::Tcp]);
    assert!(via(&pair, "ACK").starts_with("SIP/2.0/TCP "));
    assert!(matches!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed { sdp: Some(_) }]
    ));
}

#[test]
fn an_ack_that_finds_no_tcp_goes_by_datagrams_each_time_its_200_comes() {
    let (mut pair, b) = long_ack(false);
    assert_eq!(pair.sent_over(Side::Alice, "ACK"), [Transport::Udp]);
    assert!(via(&pair, "ACK").starts_with("SIP/2.0/UDP "));
    let ok = pair.with_start(Side::Bob, "SIP/2.0 200").last().unwrap();
    let ok = ok.to_vec();
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    assert_eq!(pair.sent_over(Side::Alice, "ACK"), [Transport::Udp; 2]);
    pair.run(MINUTE);
    assert!(matches!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed { sdp: Some(_) }]
    ));
}
