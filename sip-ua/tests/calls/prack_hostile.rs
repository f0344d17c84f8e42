// SPDX-License-Identifier: MPL-2.0
//! Reliable provisional responses and PRACKs that are not what they should be.

use sip_ua::digest::Credentials;
use sip_ua::endpoint::{CallEvent, CallId};
use sip_ua::wire::{HeaderName, Message, Request, read_datagram};

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, ms, outgoing};
use crate::peer;

/// Alice's INVITE, whose answers the test writes.
fn dialled() -> (Pair, CallId, Request) {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let mut call = outgoing();
    call.credentials = Some(Credentials::new("alice", "secret"));
    let a = pair.dial_with(call);
    let invite = pair.request(Side::Alice, "INVITE");
    (pair, a, invite)
}

/// The far end rings, and answers the PRACK where one comes.
fn ring(pair: &mut Pair, invite: &Request, rseq: &str, tag: &str, body: &[u8]) {
    let before = pair.count(Side::Alice, "PRACK");
    ring_only(pair, invite, rseq, tag, body);
    if pair.count(Side::Alice, "PRACK") > before {
        let prack = pair.request(Side::Alice, "PRACK");
        let ok = peer::response(&prack, 200, "", &[], b"");
        pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    }
}

fn ring_only(pair: &mut Pair, invite: &Request, rseq: &str, tag: &str, body: &[u8]) {
    let rseq = format!("RSeq: {rseq}");
    let contact = format!("Contact: <sip:{tag}@192.0.2.2:5070>");
    let more = [
        "Require: 100rel",
        &rseq,
        &contact,
        "Content-Type: application/sdp",
    ];
    let more = if body.is_empty() { &more[..3] } else { &more };
    let datagram = peer::response(invite, 183, tag, more, body);
    pair.inject(Side::Alice, Side::Bob.addr(), &datagram);
}

fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

#[test]
fn one_that_overtook_another_is_left_until_its_turn() {
    let (mut pair, a, invite) = dialled();
    for (rseq, pracks) in [("7", 1), ("9", 1), ("7", 1), ("6", 1), ("8", 2), ("9", 3)] {
        ring(&mut pair, &invite, rseq, "x", b"");
        assert_eq!(pair.count(Side::Alice, "PRACK"), pracks, "{rseq}");
    }
    assert_eq!(pair.events(Side::Alice, a).len(), 3);
    let prack = pair.request(Side::Alice, "PRACK");
    assert!(text(prack.headers.get(HeaderName::RAck)).starts_with("9 "));
}

#[test]
fn numbers_that_are_none_are_not_acknowledged() {
    let (mut pair, a, invite) = dialled();
    for rseq in ["0", "4294967296", "-1", "x", "99999999999999999999"] {
        ring(&mut pair, &invite, rseq, "x", b"");
    }
    assert_eq!(pair.count(Side::Alice, "PRACK"), 0);
    // It rings all the same.
    assert_eq!(pair.events(Side::Alice, a).len(), 5);
    ring(&mut pair, &invite, "4294967295", "x", b"");
    assert_eq!(pair.count(Side::Alice, "PRACK"), 1);
    // There is none behind the last.
    for rseq in ["1", "4294967295", "2"] {
        ring(&mut pair, &invite, rseq, "x", b"");
    }
    assert_eq!(pair.count(Side::Alice, "PRACK"), 1);
}

#[test]
fn a_flood_fills_no_memory_and_the_call_can_still_be_answered() {
    let (mut pair, a, invite) = dialled();
    for rseq in 1..=2_000 {
        ring_only(&mut pair, &invite, &rseq.to_string(), "x", ANSWER);
    }
    for fork in 0..500 {
        ring_only(&mut pair, &invite, "1", &format!("fork{fork}"), ANSWER);
    }
    let stats = pair.alice.stats();
    assert!(stats.client_transactions <= 80, "{stats:?}");
    assert!(stats.dialogs <= 16);
    assert!(pair.events(Side::Alice, a).len() <= 101);
    let more = ["Contact: <sip:x@192.0.2.2:5070>"];
    let ok = peer::response(&invite, 200, "x", &more, b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    let answered = CallEvent::Answered {
        sdp: Some(ANSWER.to_vec()),
    };
    assert_eq!(pair.events(Side::Alice, a).last(), Some(&answered));
}

#[test]
fn a_prack_is_sent_again_with_credentials() {
    let (mut pair, _, invite) = dialled();
    ring_only(&mut pair, &invite, "1", "x", ANSWER);
    let prack = pair.request(Side::Alice, "PRACK");
    let challenge =
        [r#"Proxy-Authenticate: Digest realm="edge", nonce="n", algorithm=MD5, qop="auth""#];
    let refused = peer::response(&prack, 407, "", &challenge, b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &refused);
    let again = pair.request(Side::Alice, "PRACK sip:x@192.0.2.2:5070");
    assert_eq!(pair.count(Side::Alice, "PRACK"), 2);
    assert!(again.headers.contains(HeaderName::ProxyAuthorization));
    let rack = text(prack.headers.get(HeaderName::RAck));
    assert_eq!(text(again.headers.get(HeaderName::RAck)), rack);
    assert_ne!(
        again.headers.get(HeaderName::CSeq),
        prack.headers.get(HeaderName::CSeq)
    );
    let ok = peer::response(&again, 200, "", &[], b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &ok);
    // The next request of the dialog counts on from there.
    ring(&mut pair, &invite, "2", "x", b"");
    let next = text(
        pair.request(Side::Alice, "PRACK")
            .headers
            .get(HeaderName::CSeq),
    );
    let number = |text: &str| text.split(' ').next().unwrap().parse::<u32>().unwrap();
    let before = text(again.headers.get(HeaderName::CSeq));
    assert_eq!(number(&next), number(&before) + 1);
}

#[test]
fn a_prack_that_is_never_answered_or_refused_harms_no_call() {
    let (mut pair, a, invite) = dialled();
    ring_only(&mut pair, &invite, "1", "x", ANSWER);
    let prack = pair.request(Side::Alice, "PRACK");
    let refused = peer::response(&prack, 481, "", &[], b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &refused);
    ring_only(&mut pair, &invite, "2", "x", b"");
    // Nothing overtakes a PRACK.
    ring_only(&mut pair, &invite, "3", "x", b"");
    pair.run(ms(40_000));
    assert_eq!(pair.events(Side::Alice, a).len(), 2);
    assert_eq!(pair.alice.stats().calls, 1);
}

/// A PRACK to Bob in the dialog of Alice's INVITE.
fn prack(pair: &mut Pair, cseq: u32, rack: Option<&str>, body: &[u8]) -> u16 {
    let mut prack = pair.request(Side::Alice, "INVITE");
    let ringing = pair.response(Side::Bob, "SIP/2.0 183");
    prack.method = sip_ua::wire::Method::Prack;
    prack.headers.copy_to(&ringing);
    let via = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKprack{cseq}");
    prack.headers.set(HeaderName::Via, via);
    prack.headers.set(HeaderName::CSeq, format!("{cseq} PRACK"));
    prack.headers.remove(HeaderName::RAck);
    if let Some(rack) = rack {
        prack.headers.push(HeaderName::RAck, rack);
    }
    let kind = match body.starts_with(b"v=0") {
        true => "application/sdp",
        false => "text/plain",
    };
    prack.headers.set(HeaderName::ContentType, kind);
    prack.body = body.to_vec();
    let before = pair.messages.len();
    pair.inject(Side::Bob, Side::Alice.addr(), &prack.to_bytes());
    match pair
        .messages
        .get(before)
        .map(|(_, bytes)| read_datagram(bytes))
    {
        Some(Ok(Message::Response(response))) => response.status,
        None => 0,
        other => panic!("{other:?}"),
    }
}

/// The To of a response, in a request.
trait CopyTo {
    fn copy_to(&mut self, response: &sip_ua::wire::Response);
}

impl CopyTo for sip_ua::wire::Headers {
    fn copy_to(&mut self, response: &sip_ua::wire::Response) {
        let to = response.headers.get(HeaderName::To).unwrap().to_vec();
        self.set(HeaderName::To, to);
    }
}

/// Bob's 183 is out and no PRACK came: the RAck that it wants.
fn rings() -> (Pair, CallId, String, u32) {
    let mut pair = Pair::new();
    pair.dial();
    pair.run(ms(20));
    pair.wire = Box::new(|_| Fate::Lose);
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| {
        bob.ring(now, b, Some(ANSWER.to_vec()))
    });
    let ringing = pair.response(Side::Bob, "SIP/2.0 183");
    let rseq = text(ringing.headers.get(HeaderName::RSeq));
    let cseq = text(ringing.headers.get(HeaderName::CSeq));
    let number: u32 = cseq.split(' ').next().unwrap().parse().unwrap();
    (pair, b, format!("{rseq} {cseq}"), number)
}

#[test]
fn a_prack_to_nothing_is_refused_and_the_right_one_is_taken_once() {
    let (mut pair, b, rack, invite) = rings();
    let (rseq, cseq) = rack.split_once(' ').unwrap();
    let rseq: u32 = rseq.parse().unwrap();
    let malformed = [
        None,
        Some(String::new()),
        Some("1".to_owned()),
        Some(format!("0 {cseq}")),
        Some(format!("4294967296 {cseq}")),
        Some(format!("{rseq} 4294967296 INVITE")),
        Some(format!("{rseq} 99999999999999999999999 INVITE")),
    ];
    let mut next = invite;
    for rack in malformed {
        next += 1;
        assert_eq!(
            prack(&mut pair, next, rack.as_deref(), b""),
            400,
            "{rack:?}"
        );
    }
    let others = [
        format!("{} {cseq}", rseq + 1),
        format!("4294967295 {cseq}"),
        format!("{rseq} {} INVITE", invite + 1),
        format!("{rseq} {invite} UPDATE"),
    ];
    for rack in others {
        next += 1;
        assert_eq!(prack(&mut pair, next, Some(&rack), b""), 481, "{rack}");
    }
    // None of them ended the repetitions.
    pair.run(ms(600));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 183"), 2);
    assert_eq!(prack(&mut pair, next + 1, Some(&rack), b""), 200);
    assert_eq!(prack(&mut pair, next + 2, Some(&rack), b""), 481);
    pair.run(ms(5_000));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 183"), 2);
    assert!(pair.events(Side::Bob, b).is_empty());
}

#[test]
fn a_body_that_is_no_sdp_still_acknowledges() {
    let (mut pair, _, rack, invite) = rings();
    assert_eq!(prack(&mut pair, invite + 1, Some(&rack), b"hello"), 415);
    pair.run(ms(5_000));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 183"), 1);
}

#[test]
fn an_offer_in_the_prack_is_answered_and_the_2xx_waits_for_that() {
    let (mut pair, b, rack, invite) = rings();
    assert_eq!(prack(&mut pair, invite + 1, Some(&rack), OFFER), 0);
    let offered = CallEvent::Reoffer {
        sdp: Some(OFFER.to_vec()),
    };
    assert_eq!(pair.events(Side::Bob, b), [offered]);
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 200"), 0);
    pair.act(Side::Bob, |bob, now| {
        bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
    });
    let answers: Vec<_> = pair.with_start(Side::Bob, "SIP/2.0 200").collect();
    assert_eq!(answers.len(), 2);
    assert!(answers[0].ends_with(ANSWER));
    assert!(String::from_utf8_lossy(answers[0]).contains(" PRACK\r\n"));
    assert!(String::from_utf8_lossy(answers[1]).contains(" INVITE\r\n"));
}

#[test]
fn an_offer_in_the_prack_that_nobody_answers_is_refused_in_time() {
    let (mut pair, b, rack, invite) = rings();
    assert_eq!(prack(&mut pair, invite + 1, Some(&rack), OFFER), 0);
    pair.run(ms(15_900));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 504"), 0);
    pair.run(ms(200));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 504"), 1);
    assert_eq!(
        pair.events(Side::Bob, b).last(),
        Some(&CallEvent::ReofferWithdrawn)
    );
    pair.act(Side::Bob, |bob, now| bob.reject(now, b, 486, None));
    pair.run(MINUTE * 2);
    assert_eq!(pair.bob.stats().calls, 0);
    assert_eq!(pair.bob.stats().server_transactions, 0);
}
