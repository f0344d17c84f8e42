// SPDX-License-Identifier: MPL-2.0
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::traces::Traces;
use super::{LadderStep, draw, mask};
use crate::transaction::Packet;

const THEM: &str = "192.0.2.9:5060";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn shown(message: &str) -> String {
    mask::message(message.as_bytes(), message.len())
}

#[test]
fn what_proves_an_identity_is_masked_and_what_explains_it_is_not() {
    let text = shown(concat!(
        "INVITE sip:bob:hunter2@example.org SIP/2.0\r\n",
        "From: <sip:alice:hunter2@example.org;transport=tcp>;tag=1\r\n",
        "Contact: <sips:a:hunter2@h>, <sip:b:hunter2@h>\r\n",
        "Authorization: Digest username=\"alice\", realm=\"a, b\", nonce=\"hunter2\",\r\n",
        " response=\"hunter2\", cnonce=\"hunter2\", nc=00000001, qop=auth\r\n",
        "proxy-authorization : Basic hunter2\r\n",
        "Authorization: Digest username=\"alice, response=\"hunter2\r\n",
        "Authorization: hunter2\r\n",
        "Authentication-Info: rspauth=\"hunter2\", qop=auth\r\n",
        "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"open\"\r\n",
        "X-Auth-Token: hunter2\r\n",
        "Content-Type: application/sdp\r\n",
        "\r\n",
        "v=0\r\n",
        "k=clear:hunter2\r\n",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:hunter2|2^31\r\n",
        "A=CRYPTO:2 AES_CM_128_HMAC_SHA1_32 INLINE:hunter2\r\n",
        "a=key-mgmt:mikey hunter2\r\n",
        "a=ice-pwd:hunter2\n",
        "a=fingerprint:sha-256 AB\r\n",
    ));
    assert!(!text.contains("hunter2"), "{text}");
    for kept in [
        "INVITE sip:bob:***@example.org SIP/2.0\n",
        "<sip:alice:***@example.org;transport=tcp>;tag=1",
        r#"Authorization: Digest username="alice", realm="a, b", nonce=***, response=***, cnonce=***, nc=00000001, qop=auth"#,
        "proxy-authorization : Basic ***\n",
        "Authentication-Info: rspauth=***, qop=auth\n",
        r#"WWW-Authenticate: Digest realm="pbx", nonce="open""#,
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\n",
        "a=fingerprint:sha-256 AB\n",
    ] {
        assert!(text.contains(kept), "{kept} is not in\n{text}");
    }
}

#[test]
fn a_summary_says_what_a_message_is() {
    let of = |text: &str| mask::summary(text.as_bytes());
    assert_eq!(
        of("INVITE sip:bob@h SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\n"),
        "INVITE sip:bob@h (SDP)"
    );
    assert_eq!(of("SIP/2.0 200 OK\r\ncseq : 7 BYE\r\n\r\n"), "200 OK (BYE)");
    assert_eq!(of(""), "");
}

#[test]
fn a_body_that_is_no_text_is_counted() {
    assert!(
        shown("INFO sip:b@h SIP/2.0\r\n\r\n\u{1}\u{2}").ends_with("(2 octets that are no text)\n")
    );
}

fn invite(number: usize, filling: usize) -> Packet {
    let text = format!(
        "INVITE sip:b@h SIP/2.0\r\nCSeq: {number} INVITE\r\nCall-ID: c1\r\nSubject: {}\r\n\r\n",
        "x".repeat(filling)
    );
    text.into_bytes().into()
}

#[test]
fn a_long_call_keeps_how_it_began_and_how_it_goes_on() {
    let (mut traces, now) = (Traces::default(), Instant::now());
    let trace = traces.open(b"c1");
    for number in 0..1000 {
        traces.sent(now, addr("192.0.2.1:5060"), addr(THEM), &invite(number, 1));
    }
    let steps = trace.steps();
    let number = |step: &LadderStep| step.message.split_whitespace().nth(4).map(str::to_owned);
    assert_eq!(number(&steps[0]).as_deref(), Some("0"));
    assert_eq!(number(steps.last().unwrap()).as_deref(), Some("999"));
    let left_out: usize = steps.iter().map(|step| step.left_out_before).sum();
    assert_eq!(steps.len() + left_out, 1000);
    let drawn = draw(&steps, now, false);
    assert!(
        drawn.contains(&format!("{left_out} messages left out")),
        "{drawn}"
    );

    // However large the messages are.
    for number in 0..100 {
        traces.sent(
            now,
            addr("192.0.2.1:5060"),
            addr(THEM),
            &invite(number, 60_000),
        );
    }
    let octets: usize = trace.steps().iter().map(|step| step.message.len()).sum();
    assert!(octets < 100_000, "{octets}");
}

#[test]
fn a_trace_that_nobody_holds_is_forgotten_and_strangers_leave_none() {
    let (mut traces, now) = (Traces::default(), Instant::now());
    let (us, them) = (addr("192.0.2.1:5060"), addr(THEM));
    traces.arrive(now, us, them, &invite(1, 1));
    traces.received(b"c1");
    traces.arrived();
    let trace = traces.open(b"c1");
    assert!(trace.steps().is_empty(), "it came before there was a call");
    drop(trace);
    traces.sent(now, us, them, &invite(2, 1));
    assert!(traces.open(b"c1").steps().is_empty());
}

#[test]
fn a_challenged_caller_who_comes_back_has_one_ladder() {
    let (mut traces, now) = (Traces::default(), Instant::now());
    let (us, them) = (addr("192.0.2.1:5060"), addr(THEM));
    traces.arrive(now, us, them, &invite(1, 1));
    traces.received(b"c1");
    traces.challenge(b"c1");
    traces.arrived();
    let again = now + Duration::from_millis(20);
    traces.arrive(again, us, them, &invite(2, 1));
    traces.received(b"c1");
    let trace = traces.open(b"c1");
    traces.arrived();
    let steps = trace.steps();
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].at, steps[1].at), (now, again));

    // As many challenged callers as one likes; the first are forgotten.
    drop(trace);
    for caller in 0..200 {
        let call_id = format!("other-{caller}");
        traces.arrive(now, us, them, &invite(1, 1));
        traces.challenge(call_id.as_bytes());
    }
    assert!(traces.open(b"c1").steps().is_empty());
    assert_eq!(traces.open(b"other-199").steps().len(), 1);
}

#[test]
fn a_ladder_is_drawn() {
    let now = Instant::now();
    let step = |ms: u64, sent: bool, summary: &str| LadderStep {
        at: now + Duration::from_millis(ms),
        sent,
        local: addr("192.0.2.1:5060"),
        remote: addr(THEM),
        summary: summary.to_owned(),
        repeated: false,
        message: "first line\nsecond line\n".to_owned(),
        left_out_before: 0,
    };
    let mut steps = vec![
        step(0, false, "INVITE sip:room@192.0.2.1 (SDP)"),
        step(1, true, "100 Trying (INVITE)"),
        step(500, false, "INVITE sip:room@192.0.2.1 (SDP)"),
    ];
    steps[2].repeated = true;
    steps[2].remote = addr("192.0.2.10:5060");
    let drawn = draw(&steps, now, false);
    let expected = "           192.0.2.9:5060                                192.0.2.1:5060 (us)\n    0.000  | INVITE sip:room@192.0.2.1 (SDP) ------------------------>|\n    0.001  |<------------------------------------ 100 Trying (INVITE) |\n    0.500  | INVITE sip:room@192.0.2.1 (SDP) (again) ---------------->|  from 192.0.2.10:5060\n";
    assert_eq!(drawn, expected, "\n{drawn}");
    assert!(draw(&steps, now, true).contains("|   second line\n"));
    assert_eq!(draw(&[], now, false), "no SIP message was kept\n");
}

#[test]
fn a_key_that_was_pressed_is_masked() {
    for (kind, body, kept) in [
        (
            "Content-Type: application/dtmf-relay",
            "Signal= 5\r\nDuration=160\r\n",
            "Signal=***\nDuration=160\n",
        ),
        ("c: application/dtmf; x=y", "5\r\n", "\n***\n"),
    ] {
        let text = shown(&format!("INFO sip:a@b SIP/2.0\r\n{kind}\r\n\r\n{body}"));
        assert!(text.ends_with(kept) && !text.contains('5'), "{text}");
    }
}
