// SPDX-License-Identifier: MPL-2.0
//! INVITE, 180, 200, ACK, talk, BYE, 200.

use sip_ua::endpoint::{CallEvent, EndCause, EndedBy};
use sip_ua::wire::HeaderName;

use crate::pair::{ANSWER, MINUTE, OFFER, Pair, Side, ms};

#[test]
fn a_call_is_made_rings_is_answered_and_hung_up() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    assert_eq!(pair.incoming[0].2.body, OFFER);
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(ms(1_000));
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(1_000));
    assert_eq!(
        pair.events(Side::Alice, a),
        [
            CallEvent::Progress {
                status: 180,
                sdp: None
            },
            CallEvent::Answered {
                sdp: Some(ANSWER.to_vec())
            },
        ]
    );
    assert_eq!(
        pair.events(Side::Bob, b),
        [CallEvent::Confirmed { sdp: None }]
    );

    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(ms(100));
    let end = pair.end(Side::Bob, b);
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, EndCause::HungUp, None)
    );
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.by, end.cause), (EndedBy::Local, EndCause::HungUp));
    let ladder: Vec<&str> = pair
        .ladder
        .iter()
        .map(|line| line.split_once("ms ").unwrap().1)
        .collect();
    let bob = "sip:bob@192.0.2.2:5070";
    assert_eq!(
        ladder,
        [
            &format!("Alice INVITE {bob} SIP/2.0"),
            "Bob SIP/2.0 180 Ringing",
            "Bob SIP/2.0 200 OK",
            &format!("Alice ACK {bob} SIP/2.0"),
            &format!("Alice BYE {bob} SIP/2.0"),
            "Bob SIP/2.0 200 OK",
        ]
    );
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn the_callee_may_hang_up_too_and_say_why() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    let reason = sip_ua::endpoint::Reason {
        protocol: "Q.850".to_owned(),
        cause: 16,
        text: "Normal \"call\" clearing\r\nX: y".to_owned(),
    };
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, Some(reason)));
    pair.run(ms(100));
    let bye = pair.request(Side::Bob, "BYE");
    assert_eq!(
        bye.headers.get(HeaderName::Reason),
        Some(&br#"Q.850;cause=16;text="Normal \"call\" clearingX: y""#[..])
    );
    let end = pair.end(Side::Alice, a);
    assert_eq!(end.by, EndedBy::Remote);
    assert!(end.reason.contains("Normal"), "{}", end.reason);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_slow_user_makes_the_transaction_say_100_and_a_quick_one_does_not() {
    let mut pair = Pair::new();
    pair.dial();
    pair.run(ms(205));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 100"), 0);
    pair.run(ms(10));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 100"), 1);
    let trying = pair.response(Side::Bob, "SIP/2.0 100");
    assert!(!String::from_utf8_lossy(trying.headers.get(HeaderName::To).unwrap()).contains("tag="));
    // The 100 stopped the retransmissions.
    pair.run(ms(10_000));
    assert_eq!(pair.count(Side::Alice, "INVITE"), 1);
}

#[test]
fn the_via_says_where_it_came_from_and_the_answer_goes_there() {
    let mut pair = Pair::new();
    pair.dial();
    pair.run(ms(300));
    let trying = pair.response(Side::Bob, "SIP/2.0 100");
    let via = String::from_utf8_lossy(trying.headers.get(HeaderName::Via).unwrap()).into_owned();
    assert!(via.contains("rport=5060"), "{via}");
    assert!(via.contains("received=192.0.2.1"), "{via}");
}

#[test]
fn a_call_that_rings_for_long_says_so_every_minute() {
    let mut pair = Pair::new();
    let mut call = crate::pair::outgoing();
    call.ring_timeout = MINUTE * 10;
    pair.dial_with(call);
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
    pair.run(MINUTE * 3 + ms(100));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 180"), 4);
}

#[test]
fn early_media_is_a_183_with_a_description() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(20));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| {
        bob.ring(now, b, Some(ANSWER.to_vec()))
    });
    pair.run(ms(20));
    let progress = CallEvent::Progress {
        status: 183,
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(pair.events(Side::Alice, a), [progress]);
}
