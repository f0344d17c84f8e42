// SPDX-License-Identifier: MPL-2.0
//! We ask the far end to call somebody else (REFER, RFC 3515), and it tells how that goes.

use sip_ua::endpoint::{CallEvent, CallId, EndCause, EndedBy, Transfer, TransferTo};
use sip_ua::wire::{HeaderName, Method, Request};

use crate::pair::{Fate, MINUTE, Pair, Side, ms};
use crate::peer;

/// A call that is up and in which Alice asks Bob, whose side the test writes, to call Carol.
fn referred() -> (Pair, CallId, Request) {
    let mut pair = Pair::new();
    let (a, _) = pair.up();
    pair.wire = Box::new(|_| Fate::Lose);
    let refer = refer(&mut pair, a);
    (pair, a, refer)
}

fn refer(pair: &mut Pair, a: CallId) -> Request {
    let carol = TransferTo::Uri("sip:carol@192.0.2.9;transport=tcp".parse().unwrap());
    pair.act(Side::Alice, |alice, now| alice.transfer(now, a, carol));
    pair.request(Side::Alice, "REFER")
}

fn answer(pair: &mut Pair, refer: &Request, status: u16, more: &[&str]) {
    let response = peer::response(refer, status, "", more, b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &response);
}

/// A request of Bob's in the dialog of this one of Alice's.
fn back(of: &Request, method: Method, seq: u32, more: &[&str], body: &str) -> Vec<u8> {
    let mut request = Request::new(method.clone(), "sip:alice@192.0.2.1:5060".parse().unwrap());
    let headers = &mut request.headers;
    let via = format!("SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK-bob-{seq}");
    headers.push(HeaderName::Via, via);
    for (ours, theirs) in [
        (HeaderName::From, HeaderName::To),
        (HeaderName::To, HeaderName::From),
        (HeaderName::CallId, HeaderName::CallId),
    ] {
        headers.push(ours, of.headers.get(theirs).unwrap());
    }
    headers.push(HeaderName::CSeq, format!("{seq} {method}"));
    headers.push(HeaderName::MaxForwards, 70);
    for line in more {
        let (name, value) = line.split_once(": ").unwrap();
        headers.push(name, value);
    }
    request.body = body.as_bytes().to_vec();
    request.to_bytes()
}

/// Above any CSeq of Bob's own.
const SEQ: u32 = 2_000_000_000;

fn notify(pair: &mut Pair, refer: &Request, seq: u32, state: &str, fragment: &str) {
    let state = format!("Subscription-State: {state}");
    let more = ["Event: refer", &state, "Content-Type: message/sipfrag"];
    let notify = back(refer, Method::Notify, SEQ + seq, &more, fragment);
    pair.inject(Side::Alice, Side::Bob.addr(), &notify);
}

fn told(pair: &Pair, a: CallId) -> Vec<Transfer> {
    let events = pair.events(Side::Alice, a).iter();
    events
        .filter_map(|event| match event {
            CallEvent::Transfer(transfer) => Some(transfer.clone()),
            _ => None,
        })
        .collect()
}

fn progress(status: u16, reason: &str) -> Transfer {
    let reason = reason.to_owned();
    Transfer::Progress { status, reason }
}

fn failed(status: Option<u16>, reason: &str) -> Transfer {
    let reason = reason.to_owned();
    Transfer::Failed { status, reason }
}

#[test]
fn the_far_end_calls_somebody_else_and_we_hang_up() {
    let (mut pair, a, refer) = referred();
    let header = |name: HeaderName| {
        let value = refer.headers.get(name).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    assert_eq!(
        header(HeaderName::ReferTo),
        "<sip:carol@192.0.2.9;transport=tcp>"
    );
    assert_eq!(header(HeaderName::ReferredBy), "<sip:alice@example.org>");
    assert_eq!(header(HeaderName::Contact), "<sip:alice@192.0.2.1:5060>");

    answer(&mut pair, &refer, 202, &[]);
    notify(
        &mut pair,
        &refer,
        1,
        "active;expires=60",
        "SIP/2.0 100 Trying\r\n",
    );
    notify(
        &mut pair,
        &refer,
        2,
        "active;expires=59",
        "SIP/2.0 180 Ringing\r\n",
    );
    notify(
        &mut pair,
        &refer,
        3,
        "active;expires=58",
        "SIP/2.0 180 Ringing\r\n",
    );
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
    let done = "terminated;reason=noresource";
    notify(&mut pair, &refer, 4, done, "SIP/2.0 200 OK\r\n");
    assert_eq!(pair.count(Side::Alice, "SIP/2.0 200"), 4);
    let succeeded = Transfer::Succeeded {
        status: 200,
        reason: "OK".to_owned(),
    };
    let accepted = Transfer::Accepted { told: true };
    let all = [
        accepted,
        progress(100, "Trying"),
        progress(180, "Ringing"),
        succeeded,
    ];
    assert_eq!(told(&pair, a), all);
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.by, end.cause), (EndedBy::Local, EndCause::Transferred));
    assert_eq!(
        end.reason,
        "transferred to sip:carol@192.0.2.9;transport=tcp"
    );

    let bye = pair.request(Side::Alice, "BYE");
    answer(&mut pair, &bye, 200, &[]);
    pair.run(MINUTE);
    assert_eq!(pair.side(Side::Alice).stats().calls, 0);
}

#[test]
fn a_refusal_leaves_the_call_as_it_is() {
    for (status, phrase) in [
        (405, "Method Not Allowed"),
        (501, "Not Implemented"),
        (603, "Decline"),
    ] {
        let (mut pair, a, refer) = referred();
        answer(&mut pair, &refer, status, &[]);
        let reason = format!("the far end answered {status} {phrase}");
        assert_eq!(told(&pair, a), [Transfer::Refused { status, reason }]);
        pair.wire = Box::new(|_| Fate::Deliver);
        pair.run(MINUTE);
        assert_eq!(pair.count(Side::Alice, "BYE"), 0);
        // Nobody is told anything any more.
        notify(&mut pair, &refer, 1, "active", "SIP/2.0 200 OK");
        assert_eq!(pair.count(Side::Alice, "SIP/2.0 481"), 1);
        pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
        pair.run(MINUTE);
        pair.assert_empty();
    }
}

#[test]
fn whoever_does_not_answer_there_leaves_the_call_as_it_is() {
    let (mut pair, a, refer) = referred();
    answer(&mut pair, &refer, 202, &[]);
    let done = "terminated;reason=noresource";
    notify(&mut pair, &refer, 1, done, "SIP/2.0 486 Busy Here\r\n");
    let busy = "sip:carol@192.0.2.9;transport=tcp answered 486 Busy Here";
    assert_eq!(told(&pair, a).last(), Some(&failed(Some(486), busy)));
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
    // Once more, with somebody else.
    let again = self::refer(&mut pair, a);
    assert_ne!(again, refer);
    answer(&mut pair, &again, 202, &[]);
    assert_eq!(
        told(&pair, a).last(),
        Some(&Transfer::Accepted { told: true })
    );
}

#[test]
fn news_may_be_faster_than_the_answer_and_garbled() {
    let (mut pair, a, refer) = referred();
    notify(
        &mut pair,
        &refer,
        1,
        "active;expires=60",
        "SIP/2.0 100 Trying",
    );
    answer(&mut pair, &refer, 202, &[]);
    assert_eq!(told(&pair, a), [progress(100, "Trying")]);
    for (at, fragment) in (2..).zip(["", "no fragment", "SIP/2.0 999 x", "\0\r\n\r\n"]) {
        notify(&mut pair, &refer, at, "active;expires=x", fragment);
    }
    assert_eq!(told(&pair, a).len(), 1);
    notify(&mut pair, &refer, 9, "terminated;reason=giveup", "");
    let silent = "the far end does not tell what became of it (giveup)";
    assert_eq!(told(&pair, a).last(), Some(&failed(None, silent)));
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
}

#[test]
fn an_hour_of_ringing_is_no_reason_to_give_up() {
    let (mut pair, a, refer) = referred();
    pair.alice.handle_timeout(pair.now);
    answer(&mut pair, &refer, 202, &[]);
    notify(
        &mut pair,
        &refer,
        1,
        "active;expires=60",
        "SIP/2.0 180 Ringing",
    );
    let mut renewed = 0;
    for _ in 0..120 {
        pair.run(ms(30_000));
        for start in ["SUBSCRIBE", "UPDATE"] {
            let asked = pair.count(Side::Alice, start);
            if asked > 0 {
                let request = pair.request(Side::Alice, start);
                answer(&mut pair, &request, 200, &["Expires: 60"]);
                renewed = asked.max(renewed);
            }
        }
    }
    assert!(renewed >= 100, "{renewed}\n{}", pair.ladder.join("\n"));
    let subscribe = pair.request(Side::Alice, "SUBSCRIBE");
    let event = format!("refer;id={}", cseq(&refer));
    assert_eq!(
        subscribe.headers.get(HeaderName::Event),
        Some(event.as_bytes())
    );
    assert_eq!(told(&pair, a).last(), Some(&progress(180, "Ringing")));
    notify(&mut pair, &refer, 2, "terminated", "SIP/2.0 200 OK");
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Transferred);
}

#[test]
fn a_far_end_that_takes_no_subscription_may_still_tell_later() {
    for status in [405, 489, 501] {
        let (mut pair, a, refer) = referred();
        answer(&mut pair, &refer, 202, &[]);
        notify(
            &mut pair,
            &refer,
            1,
            "active;expires=60",
            "SIP/2.0 180 Ringing",
        );
        pair.run(ms(31_000));
        let subscribe = pair.request(Side::Alice, "SUBSCRIBE");
        answer(&mut pair, &subscribe, status, &[]);
        pair.run(ms(600_000));
        notify(&mut pair, &refer, 2, "active", "SIP/2.0 200 OK");
        assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Transferred);
    }
}

#[test]
fn a_far_end_that_knows_of_no_transfer_any_more_has_failed() {
    let (mut pair, a, refer) = referred();
    answer(&mut pair, &refer, 202, &[]);
    notify(
        &mut pair,
        &refer,
        1,
        "active;expires=60",
        "SIP/2.0 100 Trying",
    );
    pair.run(ms(31_000));
    let subscribe = pair.request(Side::Alice, "SUBSCRIBE");
    answer(&mut pair, &subscribe, 481, &[]);
    assert!(matches!(
        told(&pair, a).last(),
        Some(Transfer::Failed { status: None, .. })
    ));
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
}

#[test]
fn a_far_end_that_will_not_tell_is_believed() {
    let (mut pair, a, refer) = referred();
    answer(&mut pair, &refer, 202, &["Refer-Sub: false"]);
    assert_eq!(told(&pair, a), [Transfer::Accepted { told: false }]);
    let bye = back(&refer, Method::Bye, SEQ, &[], "");
    pair.inject(Side::Alice, Side::Bob.addr(), &bye);
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::HungUp));
    pair.run(MINUTE);
    assert_eq!(pair.side(Side::Alice).stats().calls, 0);
}

#[test]
fn one_transfer_at_a_time() {
    let (mut pair, a, refer) = referred();
    let under_way = failed(Some(491), "a transfer of this call is under way");
    self::refer(&mut pair, a);
    assert_eq!(told(&pair, a).last(), Some(&under_way));
    answer(&mut pair, &refer, 202, &[]);
    notify(&mut pair, &refer, 1, "active", "SIP/2.0 100 Trying");
    self::refer(&mut pair, a);
    assert_eq!(told(&pair, a).last(), Some(&under_way));
    assert_eq!(pair.count(Side::Alice, "REFER"), 1);
}

#[test]
fn only_news_of_our_own_transfer_count() {
    let (mut pair, a, refer) = referred();
    answer(&mut pair, &refer, 202, &[]);
    let before = told(&pair, a).len();
    let id = cseq(&refer);
    for (at, event, status) in [
        (1, "refer;id=7".to_owned(), 481),
        (2, format!("refer;id={}", id + 1), 481),
        (3, "refer;id=x".to_owned(), 481),
        (4, "presence".to_owned(), 489),
        (5, String::new(), 489),
        (6, format!("Refer;id={id}"), 200),
    ] {
        let event = format!("Event: {event}");
        let more = [&event, "Subscription-State: active"];
        let notify = back(
            &refer,
            Method::Notify,
            SEQ + at,
            &more,
            "SIP/2.0 180 Ringing",
        );
        pair.inject(Side::Alice, Side::Bob.addr(), &notify);
        let (_, last) = pair.messages.last().unwrap();
        let status = format!("SIP/2.0 {status} ");
        assert!(last.starts_with(status.as_bytes()), "{event}: {status}");
    }
    assert_eq!(told(&pair, a).len(), before + 1);
}

#[test]
fn a_far_end_that_is_gone_ends_the_call() {
    let (mut pair, a, _) = referred();
    pair.run(MINUTE);
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.by, end.cause), (EndedBy::Network, EndCause::Lost));
}

#[test]
fn a_call_that_is_not_up_is_not_transferred() {
    let mut pair = Pair::new();
    let a = pair.dial();
    pair.run(ms(50));
    refer_in_vain(&mut pair, a);
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.reject(now, b, 486, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

fn refer_in_vain(pair: &mut Pair, a: CallId) {
    let carol = TransferTo::Uri("sip:carol@192.0.2.9".parse().unwrap());
    pair.act(Side::Alice, |alice, now| alice.transfer(now, a, carol));
    assert_eq!(pair.count(Side::Alice, "REFER"), 0);
    let not_up = failed(Some(481), "the call to transfer is not up");
    assert_eq!(told(pair, a), [not_up]);
}

#[test]
fn a_flood_of_news_is_held_back() {
    let (mut pair, a, refer) = referred();
    answer(&mut pair, &refer, 202, &[]);
    for at in 0..400 {
        let fragment = format!("SIP/2.0 18{} x", at % 4);
        notify(&mut pair, &refer, at, "active", &fragment);
    }
    assert!(told(&pair, a).len() < 110);
    assert!(pair.count(Side::Alice, "SIP/2.0 503") > 290);
}

fn cseq(request: &Request) -> u32 {
    let cseq = request.headers.get(HeaderName::CSeq).unwrap();
    sip_ua::wire::CSeq::parse(cseq).unwrap().number
}
