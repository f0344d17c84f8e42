// SPDX-License-Identifier: MPL-2.0
//! Several servers may take a call (RFC 3263 §4.3): the next one gets it where one does not serve.

use std::net::SocketAddr;
use std::time::Duration;

use sip_ua::endpoint::{CallEvent, EndCause};
use sip_ua::transaction::Path;
use sip_ua::transport::Transport;

use crate::pair::{ANSWER, Fate, MINUTE, Pair, Side, ms, outgoing};
use crate::servers::{methods_to, other, request_to, respond};

fn dialled(servers: &[SocketAddr]) -> (Pair, sip_ua::endpoint::CallId) {
    let mut pair = Pair::new();
    let id = pair.dial_one_of(outgoing(), servers);
    (pair, id)
}

fn up_with_bob(pair: &mut Pair, a: sip_ua::endpoint::CallId) {
    pair.run(ms(50));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(50));
    let answered = |event: &CallEvent| matches!(event, CallEvent::Answered { .. });
    assert!(pair.events(Side::Alice, a).iter().any(answered));
}

#[test]
fn a_silent_server_costs_half_a_second_and_the_next_call_nothing() {
    let (dead, bob) = (other(9), Side::Bob.addr());
    let (mut pair, a) = dialled(&[dead, bob]);
    pair.run(ms(449));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0"), 0);
    pair.run(ms(2));
    up_with_bob(&mut pair, a);
    // The dead one is not asked again, and nobody was told anything but that it rang and was answered.
    assert_eq!(methods_to(&pair, dead), ["INVITE"]);
    let (first, second) = (
        request_to(&pair, dead, 0),
        pair.request(Side::Alice, "INVITE"),
    );
    assert_eq!(first.headers.get("Call-ID"), second.headers.get("Call-ID"));
    assert_eq!(first.headers.get("From"), second.headers.get("From"));
    assert_ne!(first.headers.get("Via"), second.headers.get("Via"));
    assert_ne!(first.headers.get("CSeq"), second.headers.get("CSeq"));
    let fallen = pair.alice.fallen(pair.now);
    assert_eq!(fallen.len(), 1);
    assert_eq!(fallen[0].hop.addr, dead);

    let a = pair.dial_one_of(outgoing(), &[dead, bob]);
    up_with_bob(&mut pair, a);
    assert_eq!(methods_to(&pair, dead), ["INVITE"]);
    // A minute later it has another chance, and then a longer pause.
    pair.run(MINUTE);
    let a = pair.dial_one_of(outgoing(), &[dead, bob]);
    pair.run(ms(501));
    up_with_bob(&mut pair, a);
    assert_eq!(methods_to(&pair, dead), ["INVITE"; 2]);
    pair.run(MINUTE);
    let a = pair.dial_one_of(outgoing(), &[dead, bob]);
    up_with_bob(&mut pair, a);
    assert_eq!(methods_to(&pair, dead), ["INVITE"; 2]);
}

#[test]
fn the_only_server_has_as_long_as_a_transaction_lasts() {
    let (mut pair, a) = dialled(&[other(9)]);
    pair.run(ms(31_900));
    assert_eq!(methods_to(&pair, other(9)).len(), 7);
    assert!(pair.events(Side::Alice, a).is_empty());
    pair.run(ms(200));
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Unreachable);
}

#[test]
fn so_has_the_last_one_and_the_call_ends_when_nobody_answers() {
    let (mut pair, a) = dialled(&[other(8), other(9)]);
    pair.run(ms(32_400));
    assert!(pair.events(Side::Alice, a).is_empty());
    pair.run(ms(200));
    assert_eq!(pair.end(Side::Alice, a).status, Some(408));
    assert_eq!(methods_to(&pair, other(8)).len(), 1);
    assert_eq!(methods_to(&pair, other(9)).len(), 7);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn one_that_is_heard_of_in_time_keeps_the_call() {
    let slow = other(9);
    let (mut pair, _) = dialled(&[slow, Side::Bob.addr()]);
    pair.run(ms(400));
    let invite = request_to(&pair, slow, 0);
    respond(&mut pair, slow, &invite, 100, &[]);
    pair.run(ms(40_000));
    assert_eq!(pair.incoming.len(), 0);
    assert!(pair.alice.fallen(pair.now).is_empty());
}

#[test]
fn one_that_rings_too_late_is_cancelled() {
    let slow = other(9);
    let (mut pair, a) = dialled(&[slow, Side::Bob.addr()]);
    pair.run(ms(501));
    up_with_bob(&mut pair, a);
    let invite = request_to(&pair, slow, 0);
    respond(&mut pair, slow, &invite, 180, &[]);
    respond(&mut pair, slow, &invite, 180, &[]);
    assert_eq!(methods_to(&pair, slow), ["INVITE", "CANCEL"]);
    // It lives: it is the first to be asked again.
    assert!(pair.alice.fallen(pair.now).is_empty());
    let cancel = request_to(&pair, slow, 1);
    respond(&mut pair, slow, &cancel, 200, &[]);
    respond(&mut pair, slow, &invite, 487, &[]);
    assert_eq!(methods_to(&pair, slow), ["INVITE", "CANCEL", "ACK"]);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn one_that_is_cancelled_and_says_no_more_is_forgotten() {
    let slow = other(9);
    let (mut pair, a) = dialled(&[slow, Side::Bob.addr()]);
    pair.run(ms(501));
    up_with_bob(&mut pair, a);
    let invite = request_to(&pair, slow, 0);
    respond(&mut pair, slow, &invite, 183, &[]);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE * 2);
    pair.assert_empty();
}

#[test]
fn one_that_answers_too_late_is_hung_up() {
    let slow = other(9);
    let (mut pair, a) = dialled(&[slow, Side::Bob.addr()]);
    pair.run(ms(501));
    up_with_bob(&mut pair, a);
    let invite = request_to(&pair, slow, 0);
    let contact = ["Contact: <sip:slow@192.0.2.9:5060>"];
    respond(&mut pair, slow, &invite, 200, &contact);
    respond(&mut pair, slow, &invite, 200, &contact);
    assert_eq!(methods_to(&pair, slow), ["INVITE", "ACK", "BYE", "ACK"]);
    // The call goes on where it was answered first.
    let events = pair.events(Side::Alice, a);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, CallEvent::Ended(_)))
    );
}

#[test]
fn where_nobody_else_is_heard_of_the_late_one_has_it_after_all() {
    let (slow, dead) = (other(8), other(9));
    let (mut pair, a) = dialled(&[slow, dead]);
    pair.run(ms(700));
    assert_eq!(methods_to(&pair, dead), ["INVITE"]);
    let invite = request_to(&pair, slow, 0);
    respond(&mut pair, slow, &invite, 180, &[]);
    assert!(matches!(
        pair.events(Side::Alice, a),
        [CallEvent::Progress { status: 180, .. }]
    ));
    let contact = ["Contact: <sip:slow@192.0.2.8:5060>"];
    respond(&mut pair, slow, &invite, 200, &contact);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    assert_eq!(methods_to(&pair, slow), ["INVITE", "ACK", "BYE"]);
    // Now the other one is the late one.
    let invite = request_to(&pair, dead, 0);
    respond(&mut pair, dead, &invite, 180, &[]);
    assert_eq!(methods_to(&pair, dead), ["INVITE", "CANCEL"]);
}

#[test]
fn a_call_that_was_given_up_is_sent_nowhere_else() {
    let (mut pair, a) = dialled(&[other(8), other(9)]);
    pair.run(ms(100));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    assert!(methods_to(&pair, other(9)).is_empty());

    let (mut pair, a) = dialled(&[other(8), other(9)]);
    pair.run(ms(600));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    for late in [8, 9] {
        let invite = request_to(&pair, other(late), 0);
        respond(&mut pair, other(late), &invite, 180, &[]);
        assert_eq!(methods_to(&pair, other(late)), ["INVITE", "CANCEL"]);
    }
    pair.run(MINUTE * 2);
    pair.assert_empty();
}

#[test]
fn who_says_503_is_passed_over_at_once_and_left_alone_for_as_long_as_it_asks() {
    let busy = other(9);
    let servers = [busy, Side::Bob.addr()];
    let (mut pair, a) = dialled(&servers);
    pair.run(ms(20));
    let invite = request_to(&pair, busy, 0);
    respond(&mut pair, busy, &invite, 503, &["Retry-After: 20"]);
    up_with_bob(&mut pair, a);
    assert_eq!(methods_to(&pair, busy), ["INVITE", "ACK"]);
    let a = pair.dial_one_of(outgoing(), &servers);
    up_with_bob(&mut pair, a);
    assert_eq!(methods_to(&pair, busy), ["INVITE", "ACK"]);
    // Alone it is not called either; later it is.
    let a = pair.dial_one_of(outgoing(), &[busy]);
    let end = pair.end(Side::Alice, a);
    assert_eq!(end.status, Some(503));
    assert!(
        end.retry_after
            .is_some_and(|wait| wait <= Duration::from_secs(20))
    );
    pair.run(ms(20_000));
    pair.dial_one_of(outgoing(), &servers);
    assert_eq!(methods_to(&pair, busy), ["INVITE", "ACK", "INVITE"]);
}

#[test]
fn other_refusals_are_the_calls_own() {
    for status in [404, 486, 500, 603] {
        let (mut pair, a) = dialled(&[other(9), Side::Bob.addr()]);
        pair.run(ms(20));
        let invite = request_to(&pair, other(9), 0);
        respond(&mut pair, other(9), &invite, status, &[]);
        pair.run(ms(1_000));
        assert!(pair.incoming.is_empty(), "{status}");
        assert_eq!(pair.end(Side::Alice, a).status, Some(status));
    }
}

#[test]
fn all_that_follows_stays_with_the_server_that_took_the_call() {
    let (mut pair, a) = dialled(&[other(9), Side::Bob.addr()]);
    pair.run(ms(501));
    up_with_bob(&mut pair, a);
    pair.wire = Box::new(|_| Fate::Lose);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    assert_eq!(methods_to(&pair, other(9)), ["INVITE"]);
    assert!(pair.count(Side::Alice, "BYE") > 1);
}

#[test]
fn a_connection_that_cannot_be_made_moves_the_call_on() {
    let mut pair = Pair::new();
    let tcp = Path {
        transport: Transport::Tcp,
        ..Path::udp(Side::Alice.addr(), other(9))
    };
    let udp = Path::udp(Side::Alice.addr(), Side::Bob.addr());
    let id = sip_ua::endpoint::CallId::unique();
    let mut call = outgoing();
    call.sip_call_id = pair.alice.new_sip_call_id();
    let now = pair.now;
    pair.alice.dial(now, id, vec![tcp, udp], call);
    let unsent = pair.alice.poll_transmit().unwrap();
    assert_eq!(unsent.transport, Transport::Tcp);
    pair.act(Side::Alice, |alice, now| {
        alice.handle_unsent(now, &unsent, "192.0.2.9:5060 cannot be reached: refused");
    });
    up_with_bob(&mut pair, id);
    let contact = pair.request(Side::Alice, "INVITE");
    let contact = contact.headers.get("Contact").unwrap();
    assert!(!contact.windows(9).any(|part| part == b"transport"));
    assert_eq!(pair.alice.fallen(pair.now)[0].hop.transport, Transport::Tcp);
}
