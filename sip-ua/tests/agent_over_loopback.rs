// SPDX-License-Identifier: MPL-2.0
//! The agent on real sockets: two of them call each other over loopback.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, Call, CallEvent, EndCause, EndedBy, IncomingCall, Limits, Listen,
    OutgoingCall, Transport, Verdict,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);

fn config(addr: &str) -> AgentConfig {
    AgentConfig {
        listen: vec![Listen {
            transport: Transport::Udp,
            addr: addr.parse().unwrap(),
        }],
        screen: Arc::new(|_, _| Verdict::Allow),
        ..AgentConfig::default()
    }
}

async fn agent(addr: &str) -> (Agent, mpsc::Receiver<IncomingCall>) {
    Agent::bind(config(addr)).await.unwrap()
}

fn to(addr: SocketAddr) -> OutgoingCall {
    let to = format!("sip:bob@{addr}").parse().unwrap();
    OutgoingCall {
        headers: vec![("X-Room-ID".to_owned(), b"blue".to_vec())],
        offer: Some(b"v=0 offer".to_vec()),
        ..OutgoingCall::new(to, "sip:alice@example.org".parse().unwrap())
    }
}

async fn next(call: &mut Call) -> CallEvent {
    timeout(SOON, call.events.recv())
        .await
        .expect("in time")
        .expect("an event")
}

async fn taken(calls: &mut mpsc::Receiver<IncomingCall>) -> IncomingCall {
    timeout(SOON, calls.recv())
        .await
        .expect("in time")
        .expect("a call")
}

async fn a_whole_call(alice_addr: &str, bob_addr: &str) {
    let (alice, _none) = agent(alice_addr).await;
    let (bob, mut calls) = agent(bob_addr).await;
    let mut target = bob.local_addr();
    if target.ip().is_unspecified() {
        target.set_ip([127, 0, 0, 1].into());
    }
    let mut ours = alice.dial(to(target));
    let mut theirs = taken(&mut calls).await;
    assert_eq!(theirs.request.headers.get("X-Room-ID"), Some(&b"blue"[..]));
    assert!(!theirs.local.ip().is_unspecified());
    assert_eq!(theirs.call.handle.sip_call_id(), ours.handle.sip_call_id());
    theirs.call.handle.ring(None);
    assert_eq!(
        next(&mut ours).await,
        CallEvent::Progress {
            status: 180,
            sdp: None
        }
    );
    theirs.call.handle.accept(b"v=0 answer".to_vec());
    let answer = Some(b"v=0 answer".to_vec());
    assert_eq!(next(&mut ours).await, CallEvent::Answered { sdp: answer });
    assert_eq!(
        next(&mut theirs.call).await,
        CallEvent::Confirmed { sdp: None }
    );
    let instants = ours.handle.instants();
    assert!(instants.invite_at < instants.ringing_at);
    assert!(instants.ringing_at < instants.answered_at);
    assert!(theirs.call.handle.instants().confirmed_at.is_some());
    assert_eq!(bob.stats().calls, 1);
    ours.handle
        .info("application/dtmf-relay", b"Signal=5".to_vec());
    let info = CallEvent::Info {
        content_type: "application/dtmf-relay".to_owned(),
        body: b"Signal=5".to_vec(),
    };
    assert_eq!(next(&mut theirs.call).await, info);
    let answered = CallEvent::InfoAnswered { status: 200 };
    assert_eq!(next(&mut ours).await, answered);
    theirs.call.handle.hangup(None);
    let CallEvent::Ended(end) = next(&mut ours).await else {
        panic!("no end")
    };
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::HungUp));
    assert_eq!(timeout(SOON, ours.events.recv()).await.unwrap(), None);
    alice.close(SECOND).await;
    bob.close(SECOND).await;
}

#[tokio::test]
async fn a_whole_call_over_ipv4() {
    a_whole_call("127.0.0.1:0", "127.0.0.1:0").await;
}

#[tokio::test]
async fn a_whole_call_over_ipv6() {
    a_whole_call("[::1]:0", "[::1]:0").await;
}

#[tokio::test]
async fn a_listener_on_all_addresses_says_the_one_that_leads_to_the_peer() {
    a_whole_call("0.0.0.0:0", "0.0.0.0:0").await;
    let (agent, _calls) = agent("0.0.0.0:0").await;
    let loopback: std::net::IpAddr = [127, 0, 0, 1].into();
    assert_eq!(agent.local_ip_towards(loopback).unwrap(), loopback);
}

#[tokio::test]
async fn dropping_a_call_hangs_up() {
    let (alice, _none) = agent("127.0.0.1:0").await;
    let (bob, mut calls) = agent("127.0.0.1:0").await;
    let ours = alice.dial(to(bob.local_addr()));
    let mut theirs = taken(&mut calls).await;
    theirs.call.handle.ring(None);
    drop(ours);
    let CallEvent::Ended(end) = next(&mut theirs.call).await else {
        panic!("no end")
    };
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::Cancelled));
    alice.close(SECOND).await;
}

#[tokio::test]
async fn closing_hangs_up_waits_for_the_answers_and_frees_the_port() {
    let (alice, _none) = agent("127.0.0.1:0").await;
    let (bob, mut calls) = agent("127.0.0.1:0").await;
    let mut ours = alice.dial(to(bob.local_addr()));
    let mut theirs = taken(&mut calls).await;
    theirs.call.handle.accept(b"v=0".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Answered { .. }));
    assert!(matches!(
        next(&mut theirs.call).await,
        CallEvent::Confirmed { .. }
    ));
    let addr = bob.local_addr();
    bob.close(Duration::from_secs(5)).await;
    // Bob closed since Alice had answered his BYE.
    let CallEvent::Ended(end) = next(&mut ours).await else {
        panic!("no end")
    };
    assert_eq!(end.by, EndedBy::Remote);
    assert!(matches!(next(&mut theirs.call).await, CallEvent::Ended(_)));
    std::net::UdpSocket::bind(addr).expect("the port is free");
}

#[tokio::test]
async fn the_port_is_free_when_the_last_clone_is_dropped() {
    let (bob, calls) = agent("127.0.0.1:0").await;
    let addr = bob.local_addr();
    let other = bob.clone();
    drop((bob, calls));
    assert!(std::net::UdpSocket::bind(addr).is_err());
    drop(other);
    let freed = async {
        while std::net::UdpSocket::bind(addr).is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, freed).await.expect("the task ends");
}

#[tokio::test]
async fn a_host_without_an_address_ends_the_call_with_a_sentence() {
    let (alice, _none) = agent("127.0.0.1:0").await;
    let mut call = to(alice.local_addr());
    call.to = "sip:bob@no-such-host.invalid".parse().unwrap();
    let mut call = alice.dial(call);
    let CallEvent::Ended(end) = next(&mut call).await else {
        panic!("no end")
    };
    assert_eq!(end.cause, EndCause::Unreachable);
    assert!(
        end.reason
            .contains("the host no-such-host.invalid was not found"),
        "{}",
        end.reason
    );
}

#[tokio::test]
async fn calls_that_nobody_takes_get_503() {
    let (alice, _none) = agent("127.0.0.1:0").await;
    let (bob, calls) = agent("127.0.0.1:0").await;
    drop(calls);
    let mut call = alice.dial(to(bob.local_addr()));
    let CallEvent::Ended(end) = next(&mut call).await else {
        panic!("no end")
    };
    assert_eq!(end.status, Some(503));
}

/// Whoever takes calls runs on the same thread as the agent, and both were busy when they came.
#[tokio::test]
async fn hundreds_of_calls_at_once_are_all_taken() {
    const CALLS: usize = 600;
    let (bob, mut calls) = agent("127.0.0.1:0").await;
    let caller = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (to, from) = (bob.local_addr(), caller.local_addr().unwrap());
    for call in 0..CALLS {
        let invite = format!(
            "INVITE sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call}\r\n\
             From: <sip:alice@{from}>;tag={call}\r\nTo: <sip:bob@{to}>\r\nCall-ID: {call}@a\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:alice@{from}>\r\nMax-Forwards: 70\r\n\r\n"
        );
        caller.send_to(invite.as_bytes(), to).await.unwrap();
    }
    tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Some(call) = calls.recv().await {
            call.call.handle.ring(None);
            taken.push(call);
        }
    });
    let mut heard = [0; 1500];
    let mut rings = 0;
    // The kernel may have had no room for some of them; to hear of many is enough.
    while rings < 200 {
        let answer = timeout(SOON, caller.recv(&mut heard));
        let length = answer.await.expect("an answer").unwrap();
        assert!(
            heard.starts_with(b"SIP/2.0 1"),
            "{:?}",
            str::from_utf8(&heard[..length])
        );
        rings += usize::from(heard.starts_with(b"SIP/2.0 180"));
    }
}

#[tokio::test]
async fn events_that_nobody_reads_do_not_stop_other_calls() {
    let (alice, _none) = agent("127.0.0.1:0").await;
    let (bob, mut calls) = agent("127.0.0.1:0").await;
    let mut ours = alice.dial(to(bob.local_addr()));
    let mut deaf = taken(&mut calls).await;
    deaf.call.handle.accept(b"v=0".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Answered { .. }));
    // More than fit into the channel: the call that does not listen is hung up.
    let end = loop {
        ours.handle.info("text/plain", b"hello".to_vec());
        match next(&mut ours).await {
            CallEvent::InfoAnswered { .. } => {}
            CallEvent::Ended(end) => break end,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end.by, EndedBy::Remote);
    let _second = alice.dial(to(bob.local_addr()));
    taken(&mut calls).await;
    let mut last = None;
    while let Ok(event) = deaf.call.events.try_recv() {
        last = Some(event);
    }
    assert!(matches!(last, Some(CallEvent::Ended(_))), "{last:?}");
}

#[tokio::test]
async fn what_cannot_be_bound_is_said() {
    let (bob, _calls) = agent("127.0.0.1:0").await;
    let taken = Agent::bind(config(&bob.local_addr().to_string())).await;
    let error = taken.err().expect("the port is taken").to_string();
    assert!(
        error.starts_with(&format!("cannot listen on udp:{}: ", bob.local_addr())),
        "{error}"
    );
    let named = AgentConfig {
        advertise: Some("not a host\r\n".to_owned()),
        ..config("127.0.0.1:0")
    };
    assert!(Agent::bind(named).await.is_err());
    let bounded = AgentConfig {
        limits: Limits {
            max_calls: 0,
            ..Limits::default()
        },
        ..config("127.0.0.1:0")
    };
    let (agent, _calls) = Agent::bind(bounded).await.unwrap();
    let mut call = agent.dial(to(bob.local_addr()));
    let CallEvent::Ended(end) = next(&mut call).await else {
        panic!("no end")
    };
    assert_eq!(end.cause, EndCause::Closing);
}
