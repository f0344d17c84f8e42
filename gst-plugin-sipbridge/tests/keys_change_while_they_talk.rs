// SPDX-License-Identifier: MPL-2.0
//! The far end's re-INVITEs bring another SRTP suite each, and the last of them another key of the same: on the
//! ports there are, and both hear on.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;
#[path = "sdpbridgebin/phone.rs"]
#[allow(dead_code, reason = "each test uses the part it needs")]
mod phone;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;
use kit::{Ear, Line, PATIENCE, RATE_HZ, eventually, match_of, say, voice};
use phone::Phone;
use sip_ua::agent::{Agent, AgentConfig, Call, CallEvent, OutgoingCall, Verdict};
use sip_ua::sdp::{self, Codec, MasterKey, SrtpKeys, Suite};
use sipbridge_measure::steady::asserted_steadily;

/// A plain offer with this key alone.
fn secured(offer: &str, key: &MasterKey) -> Vec<u8> {
    let offer = offer.replacen(" RTP/AVP ", " RTP/SAVP ", 1);
    let (suite, key) = (key.suite(), key.inline());
    format!("{offer}a=crypto:1 {suite} inline:{key}\r\n").into_bytes()
}

/// The answer to that as one to the plain offer, and its key.
fn opened(answer: &[u8], suite: Suite) -> (String, MasterKey) {
    let answer = std::str::from_utf8(answer).unwrap();
    let wanted = format!("a=crypto:1 {suite} inline:");
    let key = answer.lines().find_map(|line| line.strip_prefix(&wanted));
    let key = key.and_then(|key| MasterKey::from_inline(suite, key));
    let plain = answer
        .lines()
        .filter(|line| !line.starts_with("a=crypto:"))
        .map(|line| format!("{line}\r\n"))
        .collect::<String>()
        .replacen(" RTP/SAVP ", " RTP/AVP ", 1);
    (plain, key.unwrap())
}

async fn answer_of(call: &mut Call) -> Vec<u8> {
    loop {
        match call.events.recv().await {
            Some(
                CallEvent::Answered { sdp: Some(answer) }
                | CallEvent::ReofferAnswered { sdp: Some(answer) },
            ) => return answer.to_vec(),
            Some(CallEvent::Progress { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until half a second from one of these seconds of what is said has been heard.
fn wait_heard(said: &[i16], seconds: Range<usize>, heard: impl Fn() -> Vec<i16>) {
    let mut judged = RATE_HZ / 2;
    eventually("words that arrive whole", || {
        let heard = heard();
        // Judging takes time that those who speak need.
        if heard.len() < judged {
            return false;
        }
        judged = heard.len() + RATE_HZ / 2;
        let mut pieces = seconds.clone().map(|second| second * RATE_HZ);
        pieces.any(|piece| match_of(said, &heard, piece) >= 0.8)
    });
}

#[test]
fn in_every_suite() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s srtp=required mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
             appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! s. \
             s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false",
        );
        let ear = Ear::on(&called, "ear");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (agent, _) = runtime
            .block_on(Agent::bind(AgentConfig {
                screen: Arc::new(|_, _| Verdict::Silent),
                ..AgentConfig::default()
            }))
            .unwrap();
        let mut phone = Phone::new(&[Codec::Pcmu]);
        let theirs = voice(1, 60.0);
        let mut began = None;
        let mut call: Option<Call> = None;
        let suites = Suite::ALL.into_iter().chain([Suite::AesCm128HmacSha1Tag32]);
        for (round, suite) in suites.enumerate() {
            let key = MasterKey::random(suite);
            let plain = phone.offer();
            let offer = secured(&plain, &key);
            if let Some(call) = &call {
                call.handle.reoffer(offer);
            } else {
                let _within = runtime.enter();
                let (to, from) = (uri.parse().unwrap(), "sip:phone@127.0.0.1".parse());
                call = Some(agent.dial(OutgoingCall {
                    offer: Some(offer),
                    ..OutgoingCall::new(to, from.unwrap())
                }));
            }
            let answer = runtime.block_on(answer_of(call.as_mut().unwrap()));
            let (answer, receive) = opened(&answer, suite);
            let agreed = sdp::accept_answer(&phone.local, plain.as_bytes(), answer.as_bytes());
            let mut agreed = agreed.unwrap();
            agreed.srtp = Some(SrtpKeys { send: key, receive });
            phone.media.apply(agreed).unwrap();
            if began.is_none() {
                called.wait_state("answered");
                say(&called, "mouth", &theirs, false);
            }
            let began = began.get_or_insert_with(Instant::now);
            let second = began.elapsed().as_secs() as usize;
            phone.forget();
            let before = ear.samples().len();
            let ours = voice(10 + round as u64, 8.0);
            phone.say(&ours);
            wait_heard(&ours, 0..5, || ear.samples().split_off(before));
            let seconds = second.saturating_sub(1)..second + 6;
            wait_heard(&theirs, seconds, || phone.heard());
            let stats = called.element("s").property::<gst::Structure>("stats");
            assert_eq!(stats.get::<&str>("srtp-suite"), Ok(suite.name()));
        }
        let call = call.unwrap();
        call.handle.hangup(None);
        called.wait_state("ended");
        called.no_errors();
        runtime.block_on(agent.close(PATIENCE));
    })
}
