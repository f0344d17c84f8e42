// SPDX-License-Identifier: MPL-2.0
//! Reliable provisional responses between two endpoints (RFC 3262), on wires that lose and repeat.

use sip_ua::endpoint::{CallEvent, CallId, EndCause, EndedBy, EndpointConfig};
use sip_ua::wire::HeaderName;

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Passing, Side, config, ms, outgoing};

/// Bob's phone has rung with early media.
fn early(pair: &mut Pair) -> (CallId, CallId) {
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| {
        bob.ring(now, b, Some(ANSWER.to_vec()))
    });
    (a, b)
}

fn lose(what: impl Fn(&Passing<'_>) -> bool + 'static) -> Box<dyn FnMut(&Passing<'_>) -> Fate> {
    Box::new(move |passing| match what(passing) {
        true => Fate::Lose,
        false => Fate::Deliver,
    })
}

fn progress(sdp: Option<&[u8]>) -> CallEvent {
    let status = if sdp.is_some() { 183 } else { 180 };
    CallEvent::Progress {
        status,
        sdp: sdp.map(<[u8]>::to_vec),
    }
}

#[test]
fn early_media_is_acknowledged_and_the_200_needs_no_sdp_any_more() {
    let mut pair = Pair::new();
    let (a, b) = early(&mut pair);
    pair.run(ms(1_000));
    let ringing = pair.response(Side::Bob, "SIP/2.0 183");
    assert_eq!(
        ringing.headers.get(HeaderName::Require),
        Some(&b"100rel"[..])
    );
    let rseq = String::from_utf8_lossy(ringing.headers.get(HeaderName::RSeq).unwrap()).into_owned();
    let cseq = String::from_utf8_lossy(ringing.headers.get(HeaderName::CSeq).unwrap()).into_owned();
    let prack = pair.request(Side::Alice, "PRACK sip:bob@192.0.2.2:5070");
    let rack = format!("{rseq} {cseq}");
    assert_eq!(prack.headers.get(HeaderName::RAck), Some(rack.as_bytes()));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 183"), 1);
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(100));
    assert_eq!(pair.response(Side::Bob, "SIP/2.0 200").body, b"");
    let answered = CallEvent::Answered {
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(
        pair.events(Side::Alice, a),
        [progress(Some(ANSWER)), answered]
    );
    let confirmed = CallEvent::Confirmed { sdp: None };
    assert_eq!(pair.events(Side::Bob, b), [confirmed]);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    assert_eq!(pair.end(Side::Bob, b).cause, EndCause::HungUp);
    pair.assert_empty();
}

#[test]
fn the_answer_waits_for_a_prack_that_was_lost() {
    let mut pair = Pair::new();
    pair.wire = lose(|passing| passing.line.starts_with("PRACK") && passing.nth == 1);
    let (_, b) = early(&mut pair);
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(300));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 0);
    pair.run(ms(1_000));
    // That to the PRACK, and that to the INVITE.
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 2);
    assert_eq!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed { sdp: None }]
    );
}

#[test]
fn it_is_sent_again_at_doubling_intervals_until_the_call_is_given_up() {
    let mut pair = Pair::new();
    pair.wire = lose(|passing| passing.line.starts_with("SIP/2.0 183"));
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    // Alice knows that her INVITE arrived.
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.act(Side::Bob, |bob, now| {
        bob.ring(now, b, Some(ANSWER.to_vec()))
    });
    pair.run(ms(33_000));
    let sent: Vec<u64> = pair
        .ladder
        .iter()
        .filter_map(|line| line.strip_suffix("ms Bob SIP/2.0 183 Session Progress"))
        .map(|at| at.parse().unwrap())
        .collect();
    assert_eq!(sent, [20, 520, 1_520, 3_520, 7_520, 15_520, 31_520]);
    let end = pair.end(Side::Bob, b);
    assert_eq!((end.by, end.cause), (EndedBy::Network, EndCause::Lost));
    assert_eq!(
        end.reason,
        "192.0.2.1:5060 did not acknowledge our 183 within 32 s"
    );
    assert_eq!(pair.end(Side::Alice, a).status, Some(504));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_caller_that_hears_it_twice_tells_it_once() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|passing| match passing.line {
        line if line.starts_with("SIP/2.0 183") || line.starts_with("PRACK") => Fate::Twice,
        _ => Fate::Deliver,
    });
    let (a, _) = early(&mut pair);
    pair.run(ms(5_000));
    assert_eq!(pair.events(Side::Alice, a), [progress(Some(ANSWER))]);
    assert_eq!(pair.count(Side::Alice, "PRACK"), 1);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 481"), 0);
}

/// Bob has Alice's INVITE as if she required what she only supports.
fn required(pair: &mut Pair) -> (CallId, CallId) {
    let mut call = outgoing();
    call.ring_timeout = MINUTE * 2;
    let a = pair.dial_with(call);
    let invite = pair.with_start(Side::Alice, "INVITE").last().unwrap();
    let require = String::from_utf8(invite.to_vec()).unwrap().replace(
        "Supported: timer, 100rel",
        "Supported: timer\r\nRequire: 100rel",
    );
    assert!(require.contains("Require: 100rel"));
    pair.inject(Side::Bob, Side::Alice.addr(), require.as_bytes());
    (a, pair.bobs_call())
}

/// Loses the first PRACK, and the INVITE, of which Bob gets another.
fn lossy() -> Pair {
    let mut pair = Pair::new();
    pair.wire = lose(|passing| match passing.line {
        line if line.starts_with("PRACK") => passing.nth == 1,
        line => line.starts_with("INVITE"),
    });
    pair
}

#[test]
fn one_at_a_time_where_the_caller_requires_them() {
    let mut pair = lossy();
    let (a, b) = required(&mut pair);
    for _ in 0..3 {
        pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    }
    pair.act(Side::Bob, |bob, now| {
        bob.ring(now, b, Some(ANSWER.to_vec()))
    });
    pair.run(ms(100));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 18"), 1);
    pair.run(ms(2_000));
    let ring = progress(None);
    assert_eq!(
        pair.events(Side::Alice, a),
        [ring.clone(), ring, progress(Some(ANSWER))]
    );
    assert_eq!(pair.count(Side::Alice, "PRACK"), 4);
    // Once a minute it is said again, and acknowledged.
    pair.run(ms(61_000));
    assert_eq!(pair.count(Side::Alice, "PRACK"), 5);
}

#[test]
fn a_180_is_not_waited_for() {
    let mut pair = lossy();
    let (a, b) = required(&mut pair);
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(50));
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(2_000));
    assert_eq!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed { sdp: None }]
    );
    // Its PRACK comes when the call is up, and is answered like any.
    assert_eq!(pair.count(Side::Alice, "PRACK"), 2);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 481"), 0);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn an_offer_of_the_callee_is_answered_with_the_prack() {
    let mut pair = Pair::new();
    let mut call = outgoing();
    call.offer = None;
    let a = pair.dial_with(call);
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, Some(OFFER.to_vec())));
    pair.run(ms(700));
    assert_eq!(pair.count(Side::Alice, "PRACK"), 0);
    let offered = CallEvent::Reoffer {
        sdp: Some(OFFER.to_vec()),
    };
    let rings = CallEvent::Progress {
        status: 183,
        sdp: None,
    };
    assert_eq!(pair.events(Side::Alice, a), [rings, offered]);
    pair.act(Side::Alice, |alice, now| {
        alice.answer_reoffer(now, a, Ok(ANSWER.to_vec()))
    });
    pair.run(ms(50));
    assert_eq!(pair.request(Side::Alice, "PRACK").body, ANSWER);
    let agreed = CallEvent::ReofferAnswered {
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(pair.events(Side::Bob, b), [agreed]);
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, OFFER.to_vec()));
    pair.run(ms(50));
    assert_eq!(pair.response(Side::Bob, "SIP/2.0 200").body, b"");
    let answered = CallEvent::Answered { sdp: None };
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered));
    let confirmed = CallEvent::Confirmed { sdp: None };
    assert_eq!(pair.events(Side::Bob, b).last(), Some(&confirmed));
}

#[test]
fn an_offer_that_the_caller_cannot_use_ends_the_call() {
    let mut pair = Pair::new();
    let mut call = outgoing();
    call.offer = None;
    let a = pair.dial_with(call);
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, Some(OFFER.to_vec())));
    pair.run(ms(50));
    pair.act(Side::Alice, |alice, now| {
        alice.answer_reoffer(now, a, Err(488))
    });
    pair.run(MINUTE);
    assert_eq!(pair.count(Side::Alice, "CANCEL"), 1);
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Media);
    assert_eq!(pair.end(Side::Bob, b).cause, EndCause::Cancelled);
    pair.assert_empty();
}

#[test]
fn who_does_not_want_it_rings_as_before() {
    let bob = EndpointConfig {
        reliable_early_media: false,
        ..config(2)
    };
    let mut pair = Pair::of(
        sip_ua::endpoint::Endpoint::new(config(1)),
        sip_ua::endpoint::Endpoint::new(bob),
    );
    let (a, _) = early(&mut pair);
    pair.run(ms(5_000));
    assert_eq!(pair.count(Side::Alice, "PRACK"), 0);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 183"), 1);
    assert_eq!(pair.events(Side::Alice, a), [progress(Some(ANSWER))]);
}

#[test]
fn a_caller_that_hangs_up_meanwhile_leaves_nothing_behind() {
    let mut pair = Pair::new();
    pair.wire = lose(|passing| passing.line.starts_with("PRACK"));
    let (a, b) = early(&mut pair);
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(1_000));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE);
    assert_eq!(pair.end(Side::Bob, b).cause, EndCause::Cancelled);
    pair.run(MINUTE);
    pair.assert_empty();
}
