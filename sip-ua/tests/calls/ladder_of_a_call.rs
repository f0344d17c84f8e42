// SPDX-License-Identifier: MPL-2.0
//! A call's messages can be looked at while it lasts and when it is over, and hold no secret.

use std::sync::Arc;

use sip_ua::digest::Credentials;
use sip_ua::endpoint::Verdict;
use sip_ua::ladder::{LadderStep, Trace};

use crate::pair::{ANSWER, MINUTE, Pair, Side, endpoint, everyone, ms, outgoing};

fn lines(trace: &Trace) -> Vec<String> {
    let line = |step: &LadderStep| {
        let arrow = if step.sent { "->" } else { "<-" };
        let again = if step.repeated { " again" } else { "" };
        format!("{arrow} {}{again}", step.summary)
    };
    trace.steps().iter().map(line).collect()
}

#[test]
fn both_sides_show_the_whole_call_and_what_came_after_it() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    let hers = pair.alice.trace(a).unwrap();
    let his = pair.bob.trace(b).unwrap();
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(MINUTE);
    assert_eq!(
        lines(&hers),
        [
            "-> INVITE sip:bob@192.0.2.2:5070 (SDP)",
            "<- 200 OK (INVITE, SDP)",
            "-> ACK sip:bob@192.0.2.2:5070",
            "<- BYE sip:alice@192.0.2.1:5060",
            "-> 200 OK (BYE)",
        ]
    );
    let turned: Vec<String> = lines(&hers)
        .iter()
        .map(|line| match line.strip_prefix("-> ") {
            Some(rest) => format!("<- {rest}"),
            None => line.replacen("<-", "->", 1),
        })
        .collect();
    assert_eq!(lines(&his), turned);
    let took = hers.steps()[1].at.duration_since(hers.steps()[0].at);
    assert_eq!(took, ms(60));
    pair.assert_empty();
}

#[test]
fn what_was_sent_twice_says_so() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|passing| match passing.nth {
        1 => crate::pair::Fate::Lose,
        _ => crate::pair::Fate::Deliver,
    });
    let a = pair.dial();
    let hers = pair.alice.trace(a).unwrap();
    pair.run(ms(600));
    assert_eq!(
        lines(&hers)[..2],
        [
            "-> INVITE sip:bob@192.0.2.2:5070 (SDP)",
            "-> INVITE sip:bob@192.0.2.2:5070 (SDP) again",
        ]
    );
}

#[test]
fn a_password_was_asked_for_and_the_ladder_shows_that_and_not_the_answer() {
    let challenge = |realm: &str| format!("Digest realm=\"{realm}\", nonce=\"n1\", algorithm=MD5");
    let screen: sip_ua::endpoint::Screen =
        Arc::new(
            move |request, _| match request.headers.contains("Authorization") {
                true => Verdict::Allow,
                false => Verdict::Challenge(vec![challenge("pbx").into_bytes()]),
            },
        );
    let mut pair = Pair::of(endpoint(1, everyone()), endpoint(2, screen));
    let mut call = outgoing();
    call.credentials = Some(Credentials::new("alice", "canary"));
    let a = pair.dial_with(call);
    let hers = pair.alice.trace(a).unwrap();
    pair.run(ms(100));
    let b = pair.bobs_call();
    let his = pair.bob.trace(b).unwrap();
    pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
    pair.run(ms(100));
    for (trace, begin) in [(&hers, "-> "), (&his, "<- ")] {
        let lines = lines(trace);
        assert_eq!(lines.len(), 6, "{lines:#?}");
        assert!(lines[0].starts_with(&format!("{begin}INVITE")));
        assert!(lines[1].ends_with("401 Unauthorized (INVITE)"));
        assert!(lines[3].starts_with(&format!("{begin}INVITE")));
        let again = &trace.steps()[3].message;
        assert!(again.contains(r#"username="alice""#), "{again}");
        assert!(again.contains("response=***"), "{again}");
    }
}
