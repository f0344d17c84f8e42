// SPDX-License-Identifier: MPL-2.0
//! RFC 5626 as a client: one connection for what goes out and what comes in.

use std::time::Duration;

use sip_ua::endpoint::{CallId, Endpoint, EndpointConfig};
use sip_ua::registrar::Config;
use sip_ua::registration::RegistrationState;
use sip_ua::transaction::Path;
use sip_ua::transport::{FlowId, FlowLimits, Flows, Hop, Transport};
use sip_ua::wire::{HeaderName, Headers, NameAddr, Request};

use crate::pair::{ANSWER, MINUTE, Pair, Side, config, ms, outgoing};
use crate::peer::{self, response};
use crate::registering::{account, registrar, users};
use crate::servers::other;

const INSTANCE: &str = "urn:uuid:6f1a2b3c-0000-8000-8000-123456789abc";

/// Connections of nobody's.
pub fn flows<const N: usize>() -> [FlowId; N] {
    let mut flows = Flows::new(FlowLimits::default());
    let now = std::time::Instant::now();
    std::array::from_fn(|_| {
        let (here, there) = (Side::Alice.addr(), Side::Bob.addr());
        flows.accepted(now, Transport::Tcp, here, there).unwrap()
    })
}

fn alice() -> Endpoint {
    Endpoint::new(EndpointConfig {
        listeners: vec![
            Hop::new(Transport::Udp, Side::Alice.addr()),
            Hop::new(Transport::Tcp, Side::Alice.addr()),
        ],
        instance: Some(INSTANCE.to_owned()),
        ..config(1)
    })
}

/// Alice will register with Bob over this connection.
fn pair() -> (Pair, FlowId) {
    let mut pair = Pair::of(alice(), registrar(users(), Config::default()));
    let [flow] = flows();
    pair.registrars_speak = Transport::Tcp;
    pair.flow = Some(flow);
    (pair, flow)
}

fn registered() -> (Pair, FlowId) {
    let (mut pair, flow) = pair();
    pair.register(account("secret", 3600));
    pair.run(ms(100));
    assert!(is_registered(&pair));
    (pair, flow)
}

fn is_registered(pair: &Pair) -> bool {
    matches!(pair.registration(), RegistrationState::Registered { .. })
}

fn registers(pair: &Pair) -> usize {
    pair.count(Side::Alice, "REGISTER")
}

fn contact(headers: &Headers) -> NameAddr {
    NameAddr::parse(headers.get(HeaderName::Contact).unwrap()).unwrap()
}

fn reg_id(request: &Request) -> Option<Vec<u8>> {
    let contact = contact(&request.headers);
    contact.params.get("reg-id").map(<[u8]>::to_vec)
}

fn has_ob(headers: &Headers) -> bool {
    contact(headers).uri.params.contains("ob")
}

/// Bob's end, as Alice knows it.
fn far() -> Hop {
    Hop::new(Transport::Tcp, Side::Bob.addr())
}

fn lose(pair: &mut Pair) {
    pair.act(Side::Alice, |alice, now| alice.handle_lost(now, far()));
}

#[test]
fn a_registration_over_a_connection_offers_it_for_calls() {
    let (pair, flow) = registered();
    let register = pair.request(Side::Alice, "REGISTER");
    let contact = contact(&register.headers);
    let quoted = format!("\"<{INSTANCE}>\"");
    assert_eq!(contact.params.get("+sip.instance"), Some(quoted.as_bytes()));
    assert_eq!(contact.params.get("reg-id"), Some(&b"1"[..]));
    // In a REGISTER it would make another binding.
    assert!(!contact.uri.params.contains("ob"));
    for option in ["path", "outbound"] {
        assert!(register.headers.lists(HeaderName::Supported, option));
    }
    assert_eq!(pair.kept_alive, [(flow, 120 * ms(1000))]);
}

#[test]
fn each_registration_of_an_address_has_its_number() {
    let (mut pair, _) = registered();
    pair.register(account("secret", 600));
    pair.run(ms(100));
    assert_eq!(
        reg_id(&pair.request(Side::Alice, "REGISTER")),
        Some(b"2".to_vec())
    );
    // Both are bound, for neither took the other's place.
    assert_eq!(pair.bound("alice").len(), 2);
    let mut other = account("secret", 600);
    other.aor = "<sip:bob@example.org>".parse().unwrap();
    pair.register(other);
    pair.run(ms(100));
    assert_eq!(
        reg_id(&pair.request(Side::Alice, "REGISTER")),
        Some(b"1".to_vec())
    );
}

#[test]
fn over_udp_only_the_device_is_named() {
    let (mut pair, _) = pair();
    pair.registrars_speak = Transport::Udp;
    pair.register(account("secret", 600));
    pair.run(ms(100));
    assert!(is_registered(&pair));
    let register = pair.request(Side::Alice, "REGISTER");
    assert_eq!(reg_id(&register), None);
    assert!(contact(&register.headers).params.contains("+sip.instance"));
    assert!(register.headers.lists(HeaderName::Supported, "path"));
    assert!(!register.headers.lists(HeaderName::Supported, "outbound"));
    assert!(pair.kept_alive.is_empty());
}

/// The registrar answers the REGISTER that was sent last so.
fn answered(pair: &mut Pair, flow: FlowId, status: u16, more: &[&str]) {
    let register = pair.request(Side::Alice, "REGISTER");
    let answer = response(&register, status, "r", more, b"");
    pair.inject_over(Side::Alice, Side::Bob.addr(), flow, &answer);
}

fn asking() -> (Pair, FlowId) {
    let (mut pair, flow) = pair();
    pair.wire = Box::new(|_| crate::pair::Fate::Lose);
    pair.register(account("secret", 3600));
    (pair, flow)
}

#[test]
fn the_registrar_says_how_often_it_wants_to_hear() {
    let (mut pair, flow) = asking();
    let more = ["Expires: 3600", "Require: outbound", "Flow-Timer: 30"];
    answered(&mut pair, flow, 200, &more);
    assert!(is_registered(&pair));
    assert_eq!(pair.kept_alive, [(flow, Duration::from_secs(30))]);
}

#[test]
fn whoever_does_not_agree_is_not_asked_for_more() {
    let (mut pair, flow) = asking();
    answered(&mut pair, flow, 200, &["Expires: 3600"]);
    assert!(is_registered(&pair));
    assert!(pair.kept_alive.is_empty());
    lose(&mut pair);
    assert_eq!(registers(&pair), 1);
    assert!(is_registered(&pair));
}

#[test]
fn a_first_hop_that_knows_nothing_of_it_is_not_asked_again() {
    let (mut pair, flow) = asking();
    answered(&mut pair, flow, 439, &[]);
    assert_eq!(registers(&pair), 2);
    let register = pair.request(Side::Alice, "REGISTER");
    assert_eq!(reg_id(&register), None);
    assert!(!register.headers.lists(HeaderName::Supported, "outbound"));
    // Whoever says so again means something else.
    answered(&mut pair, flow, 439, &[]);
    assert_eq!(registers(&pair), 2);
    assert!(matches!(
        pair.registration(),
        RegistrationState::Failed {
            status: Some(439),
            ..
        }
    ));
}

fn dial(pair: &mut Pair, ways: Vec<Path>) -> CallId {
    let id = CallId::unique();
    let mut call = outgoing();
    call.sip_call_id = pair.alice.new_sip_call_id();
    pair.act(Side::Alice, |alice, now| alice.dial(now, id, ways, call));
    id
}

fn over(transport: Transport, to: std::net::SocketAddr) -> Path {
    Path {
        transport,
        ..Path::udp(Side::Alice.addr(), to)
    }
}

#[test]
fn a_call_out_goes_over_the_connection_first_and_asks_for_it_in_return() {
    let (mut pair, _) = registered();
    let bob = over(Transport::Tcp, Side::Bob.addr());
    dial(&mut pair, vec![over(Transport::Tcp, other(9)), bob]);
    assert!(pair.strays.is_empty());
    assert!(has_ob(&pair.request(Side::Alice, "INVITE").headers));
    // Nobody else has to know of it.
    dial(&mut pair, vec![over(Transport::Udp, other(9))]);
    assert!(!has_ob(&pair.request(Side::Alice, "INVITE").headers));
}

#[test]
fn so_does_the_answer_to_a_call_in() {
    let (mut pair, flow) = registered();
    let sdp = ["Content-Type: application/sdp"];
    let invite = String::from_utf8(peer::request("INVITE", "in", &sdp, "v=0")).unwrap();
    let invite = invite.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    pair.inject_over(Side::Alice, Side::Bob.addr(), flow, invite.as_bytes());
    let a = pair.incoming.last().unwrap().1;
    pair.act(Side::Alice, |alice, now| {
        alice.accept(now, a, ANSWER.to_vec())
    });
    assert!(has_ob(&pair.response(Side::Alice, "SIP/2.0 200").headers));
}

#[test]
fn a_connection_that_proved_to_be_of_use_is_made_anew_at_once() {
    let (mut pair, _) = registered();
    pair.run(MINUTE * 3);
    let before = pair.request(Side::Alice, "REGISTER");
    let sent = registers(&pair);
    lose(&mut pair);
    assert_eq!(registers(&pair), sent + 1);
    let again = pair.request(Side::Alice, "REGISTER");
    assert_eq!(reg_id(&again), reg_id(&before));
    assert_eq!(contact(&again.headers), contact(&before.headers));
    pair.run(ms(100));
    assert!(is_registered(&pair));
    assert_eq!(pair.bound("alice").len(), 1);
}

#[test]
fn one_that_breaks_again_and_again_is_made_anew_after_ever_longer_pauses() {
    let (mut pair, _) = registered();
    for least in [30, 60, 120, 240, 480, 900, 900] {
        lose(&mut pair);
        assert!(matches!(
            pair.registration(),
            RegistrationState::Failed { status: None, .. }
        ));
        let lost_at = pair.now;
        while !is_registered(&pair) {
            pair.run(ms(1_000));
        }
        let waited = (pair.now - lost_at).as_secs();
        assert!((least..=2 * least + 1).contains(&waited), "{waited} s");
    }
}
