// SPDX-License-Identifier: MPL-2.0
//! Several phones ring, each with a session, routes and numbers of its own (RFC 3261 §13.2.2.4).

use sip_ua::endpoint::{CallEvent, CallId};
use sip_ua::wire::{HeaderName, Method, Request};

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, ms};
use crate::peer;

const MOBILE: &[u8] = b"v=0\r\no=- 7 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n";

fn dialled() -> (Pair, CallId, Request) {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let a = pair.dial();
    let invite = pair.request(Side::Alice, "INVITE");
    (pair, a, invite)
}

fn phone(pair: &mut Pair, invite: &Request, status: u16, tag: &str, more: &[&str], body: &[u8]) {
    let contact = format!("Contact: <sip:{tag}@192.0.2.2:5070>");
    let mut lines = vec![contact.as_str(), "Allow: INVITE, UPDATE, PRACK, INFO"];
    lines.extend(more);
    if !body.is_empty() {
        lines.push("Content-Type: application/sdp");
    }
    let datagram = peer::response(invite, status, tag, &lines, body);
    pair.inject(Side::Alice, Side::Bob.addr(), &datagram);
}

fn reliable(pair: &mut Pair, invite: &Request, rseq: u32, tag: &str, body: &[u8]) {
    let rseq = format!("RSeq: {rseq}");
    phone(pair, invite, 183, tag, &["Require: 100rel", &rseq], body);
    let prack = pair.request(Side::Alice, "PRACK");
    let ok = peer::response(&prack, 200, "", &[], b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
}

fn progress(sdp: &[u8]) -> CallEvent {
    CallEvent::Progress {
        status: 183,
        sdp: Some(sdp.to_vec()),
    }
}

fn number(request: &Request) -> u32 {
    let text = String::from_utf8_lossy(request.headers.get(HeaderName::CSeq).unwrap()).into_owned();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn each_fork_counts_for_itself_and_gets_its_own_prack_over_its_own_routes() {
    let (mut pair, a, invite) = dialled();
    let desk = [
        "Require: 100rel",
        "RSeq: 5",
        "Record-Route: <sip:192.0.2.2:5070;lr;fork=desk>",
    ];
    let mobile = [
        "Require: 100rel",
        "RSeq: 900",
        "Record-Route: <sip:192.0.2.2:5070;lr;fork=mobile>",
    ];
    phone(&mut pair, &invite, 183, "desk", &desk, ANSWER);
    phone(&mut pair, &invite, 183, "mobile", &mobile, MOBILE);
    for (tag, rseq) in [("desk", 5), ("mobile", 900)] {
        let prack = pair.request(Side::Alice, &format!("PRACK sip:{tag}@"));
        let rack = format!("{rseq} {} INVITE", number(&invite));
        assert_eq!(prack.headers.get(HeaderName::RAck), Some(rack.as_bytes()));
        let route =
            String::from_utf8_lossy(prack.headers.get(HeaderName::Route).unwrap()).into_owned();
        assert!(route.contains(&format!("fork={tag}")), "{route}");
        assert_eq!(number(&prack), number(&invite) + 1);
    }
    assert_eq!(
        pair.events(Side::Alice, a),
        [progress(ANSWER), progress(MOBILE)]
    );
}

#[test]
fn the_winner_is_heard_even_if_another_sent_early_media_last() {
    let (mut pair, a, invite) = dialled();
    reliable(&mut pair, &invite, 1, "desk", ANSWER);
    reliable(&mut pair, &invite, 1, "mobile", MOBILE);
    phone(&mut pair, &invite, 200, "desk", &[], b"");
    let answered = CallEvent::Answered {
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered));
    assert_eq!(pair.alice.stats().dialogs, 1);
    // The slower phone answers all the same: its BYE counts on from its PRACK.
    phone(&mut pair, &invite, 200, "mobile", &[], b"");
    let bye = pair.request(Side::Alice, "BYE sip:mobile@");
    assert_eq!(number(&bye), number(&invite) + 2);
    assert_eq!(
        bye.headers.get(HeaderName::Reason),
        Some(&b"SIP;cause=200;text=\"Call completed elsewhere\""[..])
    );
    assert_eq!(pair.count(Side::Alice, "ACK sip:mobile@"), 1);
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered));
}

/// A request of a phone's, within its dialog with Alice.
fn from_phone(pair: &mut Pair, invite: &Request, method: Method, tag: &str, body: &[u8]) {
    let mut request = Request::new(method.clone(), "sip:alice@192.0.2.1:5060".parse().unwrap());
    let from = String::from_utf8_lossy(invite.headers.get(HeaderName::To).unwrap()).into_owned();
    let to = invite.headers.get(HeaderName::From).unwrap().to_vec();
    let headers = &mut request.headers;
    let branch = pair.messages.len();
    headers.push(
        HeaderName::Via,
        format!("SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK{tag}{branch}"),
    );
    headers.push(HeaderName::From, format!("{from};tag={tag}"));
    headers.push(HeaderName::To, to);
    headers.copy(HeaderName::CallId, &invite.headers);
    headers.push(HeaderName::CSeq, format!("{} {method}", 1 + branch));
    headers.push(HeaderName::Contact, format!("<sip:{tag}@192.0.2.2:5070>"));
    if !body.is_empty() {
        headers.push(HeaderName::ContentType, "application/sdp");
        request.body = body.to_vec();
    }
    pair.inject(Side::Alice, Side::Bob.addr(), &request.to_bytes());
}

#[test]
fn a_phone_that_lost_cannot_end_the_call_of_the_one_that_won() {
    let (mut pair, a, invite) = dialled();
    for tag in ["desk", "mobile"] {
        reliable(&mut pair, &invite, 1, tag, ANSWER);
    }
    phone(&mut pair, &invite, 200, "desk", &[], b"");
    let before = pair.events(Side::Alice, a).len();
    from_phone(&mut pair, &invite, Method::Bye, "mobile", b"");
    from_phone(&mut pair, &invite, Method::Update, "mobile", OFFER);
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 481"), 2);
    assert_eq!(pair.events(Side::Alice, a).len(), before);
    from_phone(&mut pair, &invite, Method::Bye, "desk", b"");
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 200"), 1);
}

#[test]
fn an_offer_of_a_fork_is_answered_there_and_dropped_when_another_wins() {
    let (mut pair, a, invite) = dialled();
    for tag in ["desk", "mobile"] {
        reliable(&mut pair, &invite, 1, tag, ANSWER);
    }
    from_phone(&mut pair, &invite, Method::Update, "desk", MOBILE);
    let offered = CallEvent::Reoffer {
        sdp: Some(MOBILE.to_vec()),
    };
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&offered));
    // One at a time, for the user answers without a name.
    from_phone(&mut pair, &invite, Method::Update, "mobile", MOBILE);
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 500"), 1);
    phone(&mut pair, &invite, 200, "mobile", &[], b"");
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 481"), 1);
    let events = pair.events(Side::Alice, a);
    assert_eq!(events[events.len() - 2], CallEvent::ReofferWithdrawn);
    assert!(matches!(events.last(), Some(CallEvent::Answered { .. })));
}

#[test]
fn an_offer_of_ours_that_went_to_a_loser_goes_to_the_winner() {
    let (mut pair, a, invite) = dialled();
    for tag in ["desk", "mobile"] {
        reliable(&mut pair, &invite, 1, tag, ANSWER);
    }
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, MOBILE.to_vec())
    });
    // To the one that was heard last.
    assert_eq!(pair.count(Side::Alice, "UPDATE sip:mobile@"), 1);
    phone(&mut pair, &invite, 200, "desk", &[], b"");
    assert_eq!(pair.request(Side::Alice, "INVITE sip:desk@").body, MOBILE);
    // What the loser says to it is nobody's answer.
    let update = pair.request(Side::Alice, "UPDATE");
    let more = ["Content-Type: application/sdp"];
    let late = peer::response(&update, 200, "", &more, OFFER);
    pair.inject(Side::Alice, Side::Bob.addr(), &late);
    assert!(matches!(
        pair.events(Side::Alice, a).last(),
        Some(CallEvent::Answered { .. })
    ));
}

#[test]
fn a_fork_that_ended_is_forgotten_and_the_others_ring_on() {
    let (mut pair, a, invite) = dialled();
    for tag in ["desk", "mobile"] {
        reliable(&mut pair, &invite, 1, tag, ANSWER);
    }
    phone(&mut pair, &invite, 199, "desk", &[], b"");
    assert_eq!(pair.alice.stats().dialogs, 1);
    assert_eq!(pair.events(Side::Alice, a).len(), 2);
    phone(&mut pair, &invite, 199, "nobody", &[], b"");
    phone(&mut pair, &invite, 200, "mobile", &[], b"");
    assert!(matches!(
        pair.events(Side::Alice, a).last(),
        Some(CallEvent::Answered { .. })
    ));
}

#[test]
fn two_hundred_answers_are_not_all_hung_up() {
    let (mut pair, a, invite) = dialled();
    for fork in 0..200 {
        phone(&mut pair, &invite, 200, &format!("fork{fork}"), &[], ANSWER);
    }
    assert!(pair.count(Side::Alice, "BYE") < 32);
    assert!(pair.alice.stats().client_transactions < 40);
    assert_eq!(pair.events(Side::Alice, a).len(), 1);
    // Each of them is over with the INVITE's transaction.
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(MINUTE * 2);
    pair.assert_empty();
}

#[test]
fn a_refusal_ends_all_that_rang() {
    let (mut pair, a, invite) = dialled();
    reliable(&mut pair, &invite, 1, "desk", ANSWER);
    phone(&mut pair, &invite, 486, "desk", &[], b"");
    pair.run(ms(100));
    assert!(matches!(
        pair.events(Side::Alice, a).last(),
        Some(CallEvent::Ended(_))
    ));
    pair.run(MINUTE);
    pair.assert_empty();
}
