// SPDX-License-Identifier: MPL-2.0
//! One call takes the place of another (RFC 3891), and an attended transfer asks for that.

use sip_ua::endpoint::{CallEvent, CallId, EndCause, EndedBy, TransferTo};
use sip_ua::wire::{HeaderName, Replaces};

use crate::pair::{ANSWER, Fate, MINUTE, Pair, Side, ms, outgoing};

/// What Alice's far end, Bob, knows their call by.
fn of_call(pair: &Pair) -> Replaces {
    let ack = pair.request(Side::Alice, "ACK");
    let tag = |name: HeaderName| {
        let value = ack.headers.get(name).unwrap();
        let address = sip_ua::wire::NameAddr::parse(value).unwrap();
        address.tag().unwrap().to_vec()
    };
    Replaces {
        call_id: ack.headers.get(HeaderName::CallId).unwrap().to_vec(),
        to_tag: tag(HeaderName::To),
        from_tag: tag(HeaderName::From),
        early_only: false,
    }
}

fn dial(pair: &mut Pair, replaces: &Replaces) -> CallId {
    let mut call = outgoing();
    call.headers
        .push(("Replaces".to_owned(), replaces.to_bytes()));
    let id = pair.dial_with(call);
    pair.run(ms(50));
    id
}

fn up_and_permitted() -> (Pair, CallId, CallId, Replaces) {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    pair.act(Side::Bob, |bob, _| bob.permit_transfers(b, true));
    let replaces = of_call(&pair);
    (pair, a, b, replaces)
}

#[test]
fn the_new_call_is_answered_and_the_old_one_hung_up() {
    let (mut pair, a, b, replaces) = up_and_permitted();
    let a2 = dial(&mut pair, &replaces);
    let b2 = pair.bobs_call();
    assert_ne!(b2, b);
    // Until it is answered nothing changes.
    pair.act(Side::Bob, |bob, now| bob.ring(now, b2, None));
    pair.run(ms(50));
    assert_eq!(pair.count(Side::Bob, "BYE"), 0);
    pair.act(Side::Bob, |bob, now| bob.accept(now, b2, ANSWER.to_vec()));
    pair.run(ms(100));
    let end = pair.end(Side::Bob, b);
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::Replaced));
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::HungUp);
    assert!(matches!(
        pair.events(Side::Alice, a2).last(),
        Some(CallEvent::Answered { .. })
    ));
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b2, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn whoever_is_refused_takes_nobodys_place() {
    let (mut pair, a, b, replaces) = up_and_permitted();
    dial(&mut pair, &replaces);
    let b2 = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.reject(now, b2, 603, None));
    pair.run(MINUTE);
    for (side, id) in [(Side::Alice, a), (Side::Bob, b)] {
        let events = pair.events(side, id);
        assert!(!matches!(events.last(), Some(CallEvent::Ended(_))));
    }
}

#[test]
fn only_the_whole_name_of_a_call_is_its_name() {
    let change: [fn(&mut Replaces); 4] = [
        |replaces| replaces.call_id.push(b'x'),
        |replaces| replaces.to_tag.push(b'x'),
        |replaces| replaces.from_tag.push(b'x'),
        |replaces| std::mem::swap(&mut replaces.to_tag, &mut replaces.from_tag),
    ];
    for change in change {
        let (mut pair, _, _, mut replaces) = up_and_permitted();
        change(&mut replaces);
        let a2 = dial(&mut pair, &replaces);
        assert_eq!(pair.end(Side::Alice, a2).status, Some(481));
        assert_eq!(pair.incoming.len(), 1);
        assert_eq!(pair.count(Side::Bob, "BYE"), 0);
    }
}

#[test]
fn a_call_that_may_not_be_replaced_is_not() {
    let (mut pair, _, b, replaces) = up_and_permitted();
    pair.act(Side::Bob, |bob, _| bob.permit_transfers(b, false));
    let a2 = dial(&mut pair, &replaces);
    assert_eq!(pair.end(Side::Alice, a2).status, Some(603));
    assert_eq!(pair.incoming.len(), 1);
}

#[test]
fn a_call_that_is_up_is_busy_to_whoever_wanted_a_ringing_one() {
    let (mut pair, _, _, mut replaces) = up_and_permitted();
    replaces.early_only = true;
    let a2 = dial(&mut pair, &replaces);
    assert_eq!(pair.end(Side::Alice, a2).status, Some(486));
}

#[test]
fn a_call_that_is_over_is_not_replaced() {
    let (mut pair, _, b, replaces) = up_and_permitted();
    // Its BYE is not answered, so that it is still known.
    pair.wire = Box::new(|passing| match passing.line.starts_with("BYE") {
        true => Fate::Lose,
        false => Fate::Deliver,
    });
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    let a2 = dial(&mut pair, &replaces);
    assert_eq!(pair.end(Side::Alice, a2).status, Some(603));
    pair.run(MINUTE);
    let a3 = dial(&mut pair, &replaces);
    assert_eq!(pair.end(Side::Alice, a3).status, Some(481));
}

#[test]
fn nobody_takes_the_place_of_a_caller_whose_call_rings_here() {
    let mut pair = Pair::new();
    pair.dial();
    pair.run(ms(50));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| {
        bob.permit_transfers(b, true);
        bob.ring(now, b, None);
    });
    pair.run(ms(50));
    let ringing = pair.response(Side::Bob, "SIP/2.0 180");
    let tag = |name: HeaderName| {
        let value = ringing.headers.get(name).unwrap();
        let address = sip_ua::wire::NameAddr::parse(value).unwrap();
        address.tag().unwrap().to_vec()
    };
    let replaces = Replaces {
        call_id: ringing.headers.get(HeaderName::CallId).unwrap().to_vec(),
        to_tag: tag(HeaderName::To),
        from_tag: tag(HeaderName::From),
        early_only: true,
    };
    let a2 = dial(&mut pair, &replaces);
    assert_eq!(pair.end(Side::Alice, a2).status, Some(481));
}

#[test]
fn two_names_or_half_of_one_are_a_bad_request() {
    let (mut pair, _, _, replaces) = up_and_permitted();
    let written = replaces.to_bytes();
    for values in [
        vec![written.clone(), written.clone()],
        vec![b"abc;to-tag=1".to_vec()],
    ] {
        let mut call = outgoing();
        for value in values {
            call.headers.push(("Replaces".to_owned(), value));
        }
        let id = pair.dial_with(call);
        pair.run(ms(50));
        assert_eq!(pair.end(Side::Alice, id).status, Some(400));
    }
}

#[test]
fn an_attended_transfer_names_the_other_call_as_its_far_end_knows_it() {
    let mut pair = Pair::new();
    let (first, _) = pair.up();
    let (second, b2) = pair.up();
    pair.act(Side::Bob, |bob, _| bob.permit_transfers(b2, true));
    let replaces = of_call(&pair);
    let to = TransferTo::Call(second);
    pair.act(Side::Alice, |alice, now| alice.transfer(now, first, to));
    let refer = pair.request(Side::Alice, "REFER");
    let value = refer.headers.get(HeaderName::ReferTo).unwrap();
    let target = sip_ua::wire::NameAddr::parse(value).unwrap().uri;
    assert_eq!(target.host.to_string(), "192.0.2.2");
    let components = target.headers.clone().unwrap();
    assert_eq!(
        Replaces::of_uri_headers(&components),
        Some(Some(replaces.clone()))
    );
    assert!(!components.contains(&b'@') && !components.contains(&b';'));
    // Whoever calls there with it gets the place.
    dial(&mut pair, &replaces);
    let b3 = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b3, ANSWER.to_vec()));
    pair.run(ms(100));
    assert_eq!(pair.end(Side::Bob, b2).cause, EndCause::Replaced);
    assert_eq!(pair.end(Side::Alice, second).cause, EndCause::HungUp);
}
