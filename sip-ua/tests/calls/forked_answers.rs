// SPDX-License-Identifier: MPL-2.0
//! A proxy forks our INVITE, and more than one phone answers (RFC 3261 §13.2.2.4).

use sip_ua::endpoint::{CallEvent, CallId};
use sip_ua::wire::Request;

use crate::pair::{ANSWER, Fate, MINUTE, Pair, Side, ms};
use crate::peer;

/// Alice's INVITE, which Bob's endpoint never sees: the test plays the phones behind a proxy.
fn dialled() -> (Pair, CallId, Request) {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let a = pair.dial();
    let invite = pair.request(Side::Alice, "INVITE");
    (pair, a, invite)
}

fn phone(pair: &mut Pair, invite: &Request, status: u16, tag: &str) {
    let contact = format!("Contact: <sip:{tag}@192.0.2.2:5070>");
    let sdp = ["Content-Type: application/sdp", &contact];
    let body = if status == 200 { ANSWER } else { b"" };
    let more: &[&str] = if status == 200 { &sdp } else { &sdp[1..] };
    let datagram = peer::response(invite, status, tag, more, body);
    pair.inject(Side::Alice, Side::Bob.addr(), &datagram);
}

#[test]
fn the_first_answer_wins_and_the_other_is_acknowledged_and_hung_up() {
    let (mut pair, a, invite) = dialled();
    phone(&mut pair, &invite, 180, "desk");
    phone(&mut pair, &invite, 180, "mobile");
    assert_eq!(pair.alice.stats().dialogs, 2);
    phone(&mut pair, &invite, 200, "mobile");
    phone(&mut pair, &invite, 200, "desk");
    assert_eq!(pair.count(Side::Alice, "ACK sip:mobile@"), 1);
    assert_eq!(pair.count(Side::Alice, "BYE sip:mobile@"), 0);
    assert_eq!(pair.count(Side::Alice, "ACK sip:desk@"), 1);
    assert_eq!(pair.count(Side::Alice, "BYE sip:desk@"), 1);
    let ring = CallEvent::Progress {
        status: 180,
        sdp: None,
    };
    let answered = CallEvent::Answered {
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(pair.events(Side::Alice, a), [ring.clone(), ring, answered]);
    // Each repeats its 200: each gets its own ACK again, and no second BYE.
    phone(&mut pair, &invite, 200, "desk");
    phone(&mut pair, &invite, 200, "mobile");
    assert_eq!(pair.count(Side::Alice, "ACK sip:mobile@"), 2);
    assert_eq!(pair.count(Side::Alice, "ACK sip:desk@"), 2);
    assert_eq!(pair.count(Side::Alice, "BYE"), 1);
}

#[test]
fn a_second_answer_after_the_call_is_over_is_hung_up_too() {
    let (mut pair, a, invite) = dialled();
    phone(&mut pair, &invite, 200, "mobile");
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    let bye = pair.request(Side::Alice, "BYE sip:mobile@");
    pair.inject(
        Side::Alice,
        Side::Bob.addr(),
        &peer::response(&bye, 200, "", &[], b""),
    );
    assert_eq!(pair.alice.stats().calls, 0);
    phone(&mut pair, &invite, 200, "desk");
    assert_eq!(pair.count(Side::Alice, "ACK sip:desk@"), 1);
    assert_eq!(pair.count(Side::Alice, "BYE sip:desk@"), 1);
    pair.run(MINUTE * 2);
    pair.assert_empty();
}

#[test]
fn a_thousand_forks_do_not_fill_the_memory() {
    let (mut pair, _, invite) = dialled();
    for fork in 0..1_000 {
        phone(&mut pair, &invite, 180, &format!("fork{fork}"));
    }
    assert!(pair.alice.stats().dialogs <= 16);
}

#[test]
fn a_200_without_contact_is_acknowledged_where_the_invite_went() {
    let (mut pair, _, invite) = dialled();
    let ok = peer::response(
        &invite,
        200,
        "old",
        &["Content-Type: application/sdp"],
        ANSWER,
    );
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    pair.run(ms(10));
    assert_eq!(
        pair.count(Side::Alice, "ACK sip:bob@192.0.2.2:5070 SIP/2.0"),
        1
    );
}
