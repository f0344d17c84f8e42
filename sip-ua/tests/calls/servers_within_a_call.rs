// SPDX-License-Identifier: MPL-2.0
//! Within a dialog too the next server of a name is asked where one does not serve (RFC 3263 §4.3).

use std::net::SocketAddr;

use sip_ua::endpoint::{CallEvent, CallId, EndCause};
use sip_ua::transaction::Path;
use sip_ua::transport::Transport;
use sip_ua::wire::CSeq;

use crate::pair::{ANSWER, MINUTE, Pair, Side, ms, outgoing};
use crate::peer::response;
use crate::servers::{methods_to, other, request_to, respond};

const ROUTED: &str = "Record-Route: <sip:edge.example;lr>";

/// The two servers of the edge: the call is made over the first.
fn edge() -> [SocketAddr; 2] {
    [other(7), other(8)]
}

/// A call over the first server, which was answered with these headers.
fn up_over(pair: &mut Pair, transport: Transport, more: &[&str]) -> CallId {
    let id = CallId::unique();
    let first = edge()[0];
    let mut call = outgoing();
    call.sip_call_id = pair.alice.new_sip_call_id();
    let path = Path {
        transport,
        ..Path::udp(Side::Alice.addr(), first)
    };
    pair.act(Side::Alice, |alice, now| {
        alice.dial(now, id, path, call);
    });
    let nth = methods_to(pair, first).len() - 1;
    let invite = request_to(pair, first, nth);
    let sdp = ["Content-Type: application/sdp"];
    let ok = response(&invite, 200, "bob", &[more, &sdp].concat(), ANSWER);
    pair.inject(Side::Alice, first, &ok);
    assert!(matches!(
        pair.events(Side::Alice, id).last(),
        Some(CallEvent::Answered { .. })
    ));
    id
}

fn with_names() -> Pair {
    let mut pair = Pair::new();
    pair.hops_found = Some(edge().to_vec());
    pair
}

fn up() -> (Pair, CallId) {
    let mut pair = with_names();
    let contact = "Contact: <sip:bob@198.51.100.9>";
    let id = up_over(&mut pair, Transport::Udp, &[ROUTED, contact]);
    (pair, id)
}

fn hang_up(pair: &mut Pair, a: CallId) {
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
}

fn number(pair: &Pair, server: SocketAddr, at: usize) -> u32 {
    let request = request_to(pair, server, at);
    CSeq::parse(request.headers.get("CSeq").unwrap())
        .unwrap()
        .number
}

#[test]
fn a_bye_that_nobody_answers_reaches_the_next_server() {
    let (mut pair, a) = up();
    let [first, second] = edge();
    pair.run(ms(1_000));
    hang_up(&mut pair, a);
    pair.run(ms(31_900));
    assert!(methods_to(&pair, second).is_empty());
    assert!(pair.looked_up.is_empty());
    pair.run(ms(200));
    assert_eq!(pair.looked_up, ["sip:edge.example;lr"]);
    assert_eq!(methods_to(&pair, second), ["BYE"]);
    assert!(number(&pair, second, 0) > number(&pair, first, 2));
    // Only when the second one answers it is known that the first did not.
    assert!(pair.alice.fallen(pair.now).is_empty());
    let bye = request_to(&pair, second, 0);
    respond(&mut pair, second, &bye, 200, &[]);
    let fallen = pair.alice.fallen(pair.now);
    assert_eq!(fallen.len(), 1);
    assert_eq!(fallen[0].hop.addr, first);
    assert!(fallen[0].why.contains("did not answer"));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn the_rest_of_this_call_and_of_others_goes_straight_there() {
    let (mut pair, a) = up();
    let contact = "Contact: <sip:bob@198.51.100.9>";
    let b = up_over(&mut pair, Transport::Udp, &[ROUTED, contact]);
    let [first, second] = edge();
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"x".to_vec())
    });
    pair.run(ms(32_100));
    let info = request_to(&pair, second, 0);
    respond(&mut pair, second, &info, 200, &[]);
    let answered = CallEvent::InfoAnswered { status: 200 };
    assert!(pair.events(Side::Alice, a).contains(&answered));
    let before = methods_to(&pair, first).len();
    hang_up(&mut pair, a);
    hang_up(&mut pair, b);
    assert_eq!(methods_to(&pair, first).len(), before);
    assert_eq!(methods_to(&pair, second), ["INFO", "BYE", "BYE"]);
}

#[test]
fn who_says_503_within_a_call_is_passed_over_at_once() {
    let (mut pair, a) = up();
    let [first, second] = edge();
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, b"v=0 again".to_vec())
    });
    let invite = request_to(&pair, first, 2);
    respond(&mut pair, first, &invite, 503, &["Retry-After: 20"]);
    assert_eq!(methods_to(&pair, second), ["INVITE"]);
    let invite = request_to(&pair, second, 0);
    let ok = [
        "Contact: <sip:bob@198.51.100.9>",
        "Content-Type: application/sdp",
    ];
    let ok = response(&invite, 200, "", &ok, ANSWER);
    pair.inject(Side::Alice, second, &ok);
    assert!(matches!(
        pair.events(Side::Alice, a).last(),
        Some(CallEvent::ReofferAnswered { .. })
    ));
    assert_eq!(methods_to(&pair, second), ["INVITE", "ACK"]);
    let fallen = pair.alice.fallen(pair.now);
    assert!(fallen[0].until <= pair.now + ms(20_000));
    hang_up(&mut pair, a);
    assert_eq!(methods_to(&pair, second), ["INVITE", "ACK", "BYE"]);
}

#[test]
fn a_connection_that_is_refused_leads_to_the_next_server_at_once() {
    let mut pair = with_names();
    let contact = "Contact: <sip:bob@198.51.100.9>";
    let a = up_over(&mut pair, Transport::Tcp, &[ROUTED, contact]);
    let [first, second] = edge();
    pair.hops_found = Some(vec![second]);
    pair.tcp = false;
    hang_up(&mut pair, a);
    assert_eq!(methods_to(&pair, first), ["INVITE", "ACK"]);
    assert_eq!(methods_to(&pair, second), ["BYE"]);
}

#[test]
fn a_target_may_be_a_name_too() {
    let mut pair = with_names();
    let contact = "Contact: <sip:bob@phones.example>";
    let a = up_over(&mut pair, Transport::Udp, &[contact]);
    hang_up(&mut pair, a);
    pair.run(ms(32_100));
    assert_eq!(pair.looked_up, ["sip:bob@phones.example"]);
    assert_eq!(methods_to(&pair, edge()[1]), ["BYE"]);
}

#[test]
fn an_address_is_one_server() {
    let mut pair = with_names();
    let contact = "Contact: <sip:bob@192.0.2.7:5060>";
    let a = up_over(&mut pair, Transport::Udp, &[contact]);
    hang_up(&mut pair, a);
    pair.run(MINUTE);
    assert!(pair.looked_up.is_empty());
    pair.assert_empty();
}

#[test]
fn nobody_is_to_blame_where_none_of_them_answers() {
    let (mut pair, a) = up();
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"x".to_vec())
    });
    pair.run(ms(64_200));
    // As if there had been one server only.
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Lost);
    pair.run(MINUTE * 2);
    assert!(pair.alice.fallen(pair.now).is_empty());
    pair.assert_empty();
}

#[test]
fn a_503_counts_where_there_is_no_other_server() {
    let (mut pair, a) = up();
    pair.hops_found = Some(vec![edge()[0]]);
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"x".to_vec())
    });
    let info = request_to(&pair, edge()[0], 2);
    respond(&mut pair, edge()[0], &info, 503, &[]);
    let answered = CallEvent::InfoAnswered { status: 503 };
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered));
    assert!(pair.alice.fallen(pair.now).is_empty());
}

#[test]
fn whoever_is_elsewhere_names_no_place_of_our_own() {
    let (mut pair, a) = up();
    pair.hops_found = Some(vec![SocketAddr::from(([127, 0, 0, 1], 5060))]);
    hang_up(&mut pair, a);
    pair.run(MINUTE);
    assert_eq!(pair.looked_up.len(), 1);
    assert_eq!(
        pair.strays
            .iter()
            .filter(|(to, _)| to.ip().is_loopback())
            .count(),
        0
    );
    pair.assert_empty();
}

#[test]
fn of_a_call_that_is_hung_up_meanwhile_only_the_bye_goes_on() {
    let (mut pair, a) = up();
    let [first, second] = edge();
    pair.hops_found = None;
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, b"v=0 again".to_vec())
    });
    let invite = request_to(&pair, first, 2);
    respond(&mut pair, first, &invite, 503, &[]);
    hang_up(&mut pair, a);
    let bye = request_to(&pair, first, 4);
    respond(&mut pair, first, &bye, 503, &[]);
    // Both wait for the same.
    assert_eq!(pair.looked_up.len(), 1);
    let uri = "sip:edge.example;lr".parse().unwrap();
    let way = Path::udp(Side::Alice.addr(), second);
    pair.act(Side::Alice, |alice, now| {
        alice.hop_located(now, a, &uri, Ok::<_, String>(way));
    });
    assert_eq!(methods_to(&pair, second), ["BYE"]);
    let bye = request_to(&pair, second, 0);
    respond(&mut pair, second, &bye, 200, &[]);
    pair.run(MINUTE);
    pair.assert_empty();
}
