// SPDX-License-Identifier: MPL-2.0
//! Session timers (RFC 4028): forty minutes of refreshes, far ends that vanish, and 422.

use std::time::Duration;

use sip_ua::dialog::{Refresher, SessionTimer};
use sip_ua::endpoint::{CallEvent, CallId, EndCause, EndedBy, Endpoint, EndpointConfig};
use sip_ua::wire::HeaderName;

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, config, ms, outgoing};
use crate::peer::response;

const SHORTEST: SessionTimer = SessionTimer {
    interval: SessionTimer::LEAST,
    min_se: SessionTimer::LEAST,
    refresher: Refresher::Either,
};

const OFF: SessionTimer = SessionTimer {
    interval: Duration::ZERO,
    ..SHORTEST
};

fn endpoint(seed: u64, session_timer: SessionTimer) -> Endpoint {
    Endpoint::new(EndpointConfig {
        session_timer,
        ..config(seed)
    })
}

fn pair(alice: SessionTimer, bob: SessionTimer) -> Pair {
    Pair::of(endpoint(1, alice), endpoint(2, bob))
}

fn header(value: Option<&[u8]>) -> String {
    String::from_utf8(value.expect("the header is there").to_vec()).unwrap()
}

/// Takes each re-INVITE that comes to that side in the meantime, and lets a second pass.
fn run_answering(pair: &mut Pair, side: Side, id: CallId, seconds: u64) {
    let mut answered = 0;
    for _ in 0..seconds {
        pair.run(ms(1_000));
        let offers = pair
            .events(side, id)
            .iter()
            .filter(|event| matches!(event, CallEvent::Reoffer { .. }))
            .count();
        if offers > answered {
            answered = offers;
            pair.act(side, |endpoint, now| {
                endpoint.answer_reoffer(now, id, Ok(ANSWER.to_vec()));
            });
        }
    }
}

#[test]
fn forty_minutes_of_refreshes_by_the_caller() {
    let mut pair = pair(SHORTEST, SHORTEST);
    let (a, b) = pair.up();
    let answer = pair.response(Side::Bob, "SIP/2.0 200");
    assert_eq!(
        header(answer.headers.get(HeaderName::SessionExpires)),
        "90;refresher=uac"
    );
    assert!(answer.headers.lists(HeaderName::Require, "timer"));
    pair.run(40 * MINUTE);
    // One each 45 s, for the far end said that it takes UPDATE.
    let refreshes = pair.count(Side::Alice, "UPDATE");
    assert!((52..=53).contains(&refreshes), "{refreshes}");
    assert_eq!(pair.count(Side::Bob, "UPDATE"), 0);
    let refresh = pair.request(Side::Alice, "UPDATE");
    assert!(refresh.body.is_empty());
    assert_eq!(
        header(refresh.headers.get(HeaderName::SessionExpires)),
        "90;refresher=uac"
    );
    // The user hears nothing of it.
    let after = |side, id| pair.events(side, id).len();
    assert_eq!((after(Side::Alice, a), after(Side::Bob, b)), (1, 1));
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(MINUTE);
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::HungUp);
    pair.assert_empty();
}

#[test]
fn forty_minutes_of_refreshes_by_the_callee_on_a_lossy_wire() {
    let them = SessionTimer {
        refresher: Refresher::Them,
        ..SHORTEST
    };
    let mut pair = pair(them, SHORTEST);
    let mut passed = 0u32;
    pair.wire = Box::new(move |_| {
        passed += 1;
        match passed % 4 {
            0 => Fate::Lose,
            1 => Fate::Twice,
            _ => Fate::Deliver,
        }
    });
    let a = pair.dial();
    pair.run(ms(3_000));
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(40 * MINUTE);
    assert!(pair.count(Side::Bob, "UPDATE") >= 50);
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 0);
    assert!(!matches!(
        pair.events(Side::Alice, a).last(),
        Some(CallEvent::Ended(_))
    ));
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    pair.run(2 * MINUTE);
    pair.assert_empty();
}

#[test]
fn a_far_end_without_update_is_refreshed_by_reinvite() {
    let mut pair = pair(SHORTEST, SHORTEST);
    // Bob's words lose their Allow on the way, as those of old peers do.
    let a = pair.dial();
    pair.run(ms(50));
    let b = pair.bobs_call();
    let invite = pair.request(Side::Alice, "INVITE");
    let contact = "Contact: <sip:bob@192.0.2.2:5070>";
    let said = response(
        &invite,
        200,
        "bob",
        &[
            contact,
            "Session-Expires: 90;refresher=uac",
            "Require: timer",
            "Content-Type: application/sdp",
        ],
        ANSWER,
    );
    pair.inject(Side::Alice, Side::Bob.addr(), &said);
    pair.act(Side::Bob, |bob, now| bob.reject(now, b, 480, None));
    pair.wire = Box::new(|_| Fate::Lose);
    pair.run(ms(50_000));
    let refresh = pair.request(Side::Alice, "INVITE");
    assert_ne!(
        refresh.headers.get(HeaderName::CSeq),
        invite.headers.get(HeaderName::CSeq)
    );
    // The same words as before: nothing changes.
    assert_eq!(refresh.body, OFFER);
    let said = response(
        &refresh,
        200,
        "",
        &[
            contact,
            "Session-Expires: 90;refresher=uac",
            "Content-Type: application/sdp",
        ],
        ANSWER,
    );
    pair.inject(Side::Alice, Side::Bob.addr(), &said);
    assert_eq!(
        pair.events(Side::Alice, a).last(),
        Some(&CallEvent::Refreshed {
            sdp: Some(ANSWER.to_vec())
        })
    );
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
}

#[test]
fn refreshes_by_reinvite_are_offers_like_any_other() {
    // Bob answers UPDATE with 405, and then takes re-INVITEs.
    let mut pair = pair(SHORTEST, SHORTEST);
    let (a, b) = pair.up();
    pair.wire = Box::new(|passing| match passing.line.starts_with("UPDATE") {
        true => Fate::Lose,
        false => Fate::Deliver,
    });
    pair.run(ms(46_000));
    let update = pair.request(Side::Alice, "UPDATE");
    pair.inject(
        Side::Alice,
        Side::Bob.addr(),
        &response(&update, 405, "", &[], b""),
    );
    run_answering(&mut pair, Side::Bob, b, 300);
    assert!(pair.count(Side::Alice, "INVITE") >= 6);
    assert_eq!(pair.count(Side::Alice, "BYE"), 0);
    let refreshed = |event: &&CallEvent| matches!(event, CallEvent::Refreshed { .. });
    assert!(pair.events(Side::Alice, a).iter().filter(refreshed).count() >= 6);
}

#[test]
fn a_far_end_that_does_not_refresh_is_hung_up_on() {
    let mut pair = pair(SHORTEST, SHORTEST);
    let (_, b) = pair.up();
    pair.wire = Box::new(|passing| match passing.from {
        Side::Alice => Fate::Lose,
        Side::Bob => Fate::Deliver,
    });
    pair.run(MINUTE + ms(500));
    let end = pair.end(Side::Bob, b).clone();
    assert_eq!((end.by, end.cause), (EndedBy::Network, EndCause::Lost));
    assert_eq!(
        end.reason,
        "192.0.2.1:5060 did not refresh the session within the 90 s agreed on"
    );
    let bye = pair.request(Side::Bob, "BYE");
    let why = header(bye.headers.get(HeaderName::Reason));
    assert!(why.contains("session expired"), "{why}");
}

#[test]
fn a_refresher_whose_refreshes_get_no_answer_ends_the_call() {
    let mut pair = pair(SHORTEST, SHORTEST);
    let (a, _) = pair.up();
    pair.wire = Box::new(|_| Fate::Lose);
    pair.run(ms(91_000));
    let end = pair.end(Side::Alice, a).clone();
    assert_eq!((end.by, end.cause), (EndedBy::Network, EndCause::Lost));
    assert!(pair.count(Side::Alice, "BYE") > 0);
    pair.run(5 * MINUTE);
    pair.assert_empty();
}

#[test]
fn refreshes_that_are_put_off_end_in_a_bye_at_expiry() {
    let mut pair = pair(SHORTEST, SHORTEST);
    let (a, _) = pair.up();
    pair.wire = Box::new(|_| Fate::Lose);
    for _ in 0..44 {
        pair.run(ms(2_000));
        let last = pair.with_start(Side::Alice, "UPDATE").last();
        if last.is_some() {
            let update = pair.request(Side::Alice, "UPDATE");
            let busy = response(&update, 503, "", &[], b"");
            pair.inject(Side::Alice, Side::Bob.addr(), &busy);
        }
    }
    pair.run(ms(3_000));
    assert_eq!(
        pair.end(Side::Alice, a).reason,
        "192.0.2.2:5070 took no refresh of the session for 90 s"
    );
    assert!(pair.count(Side::Alice, "BYE") > 0);
}

#[test]
fn an_interval_that_is_too_short_is_asked_for_again() {
    let strict = SessionTimer {
        min_se: Duration::from_secs(600),
        interval: Duration::from_secs(1_800),
        ..SHORTEST
    };
    let mut pair = pair(SHORTEST, strict);
    let (a, b) = pair.up();
    let refused = pair.response(Side::Bob, "SIP/2.0 422");
    assert_eq!(header(refused.headers.get(HeaderName::MinSe)), "600");
    let again = pair.request(Side::Alice, "INVITE");
    assert_eq!(header(again.headers.get(HeaderName::SessionExpires)), "600");
    assert_eq!(header(again.headers.get(HeaderName::MinSe)), "600");
    assert_eq!(again.headers.count(HeaderName::Supported), 1);
    pair.run(19 * MINUTE);
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 3);
    assert!(matches!(
        pair.events(Side::Alice, a).last(),
        Some(CallEvent::Answered { .. })
    ));
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_far_end_that_keeps_saying_422_refuses_the_call() {
    let mut pair = pair(SHORTEST, SHORTEST);
    let a = pair.dial();
    for _ in 0..2 {
        let invite = pair.request(Side::Alice, "INVITE");
        let said = response(&invite, 422, "x", &["Min-SE: 300"], b"");
        pair.inject(Side::Alice, Side::Bob.addr(), &said);
    }
    let end = pair.end(Side::Alice, a);
    assert_eq!(end.status, Some(422));
    assert_eq!(
        end.reason,
        "the far end answered 422 Session Interval Too Small"
    );
}

#[test]
fn without_timers_nothing_is_asked_and_nothing_refreshed() {
    for (alice, bob) in [(OFF, OFF), (OFF, SHORTEST)] {
        let mut call = outgoing();
        call.session_timer = Some(alice);
        let mut pair = pair(SHORTEST, bob);
        let a = pair.dial_with(call);
        pair.run(ms(50));
        let b = pair.bobs_call();
        let invite = pair.request(Side::Alice, "INVITE");
        assert!(!invite.headers.contains(HeaderName::SessionExpires));
        assert!(invite.headers.lists(HeaderName::Supported, "timer"));
        pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
        pair.run(20 * MINUTE);
        assert_eq!(pair.count(Side::Alice, "UPDATE"), 0);
        // One who wants a timer, and whose far end knows them, refreshes by itself.
        let bobs = pair.count(Side::Bob, "UPDATE");
        assert_eq!(bobs > 0, bob == SHORTEST, "{bobs}");
        pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
        pair.run(MINUTE);
        pair.assert_empty();
    }
}

#[test]
fn hold_refreshes_the_session_as_well() {
    let mut pair = pair(SHORTEST, SHORTEST);
    let (a, b) = pair.up();
    pair.run(ms(40_000));
    pair.act(Side::Alice, |alice, now| {
        alice.reoffer(now, a, OFFER.to_vec())
    });
    run_answering(&mut pair, Side::Bob, b, 40);
    // The refresh that was due at 45 s is due 45 s after the hold.
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 0);
    let hold = pair.request(Side::Alice, "INVITE");
    assert_eq!(
        header(hold.headers.get(HeaderName::SessionExpires)),
        "90;refresher=uac"
    );
    pair.run(ms(10_000));
    assert_eq!(pair.count(Side::Alice, "UPDATE"), 1);
}
