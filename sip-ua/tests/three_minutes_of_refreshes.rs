// SPDX-License-Identifier: MPL-2.0
//! Session timers on real sockets and a real clock: calls of three minutes at the shortest interval
//! that RFC 4028 allows, refreshed by either side, and one that nobody refreshes.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::agent::{
    Agent, AgentConfig, Call, CallEvent, EndCause, IncomingCall, OutgoingCall, Refresher,
    SessionTimer, Verdict,
};
use sip_ua::wire::{HeaderName, Message, Method, Request, read_datagram};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

const THREE_MINUTES: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(5);
const SDP: &[u8] = b"v=0\r\n";

const SHORTEST: SessionTimer = SessionTimer {
    interval: SessionTimer::LEAST,
    min_se: SessionTimer::LEAST,
    refresher: Refresher::Either,
};

async fn agent(refresher: Refresher) -> (Agent, mpsc::Receiver<IncomingCall>) {
    let config = AgentConfig {
        screen: Arc::new(|_, _| Verdict::Allow),
        session_timer: SessionTimer {
            refresher,
            ..SHORTEST
        },
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap()
}

fn dial(agent: &Agent, to: SocketAddr) -> Call {
    let to = format!("sip:bob@{to}").parse().unwrap();
    agent.dial(OutgoingCall {
        offer: Some(SDP.to_vec()),
        ..OutgoingCall::new(to, "sip:alice@127.0.0.1".parse().unwrap())
    })
}

async fn answered(call: &mut Call) {
    let event = timeout(SOON, call.events.recv()).await.expect("in time");
    assert!(
        matches!(event, Some(CallEvent::Answered { .. })),
        "{event:?}"
    );
}

/// Three minutes in which nothing is told: neither an end nor anything else.
async fn lasts(call: &mut Call) {
    if let Ok(event) = timeout(THREE_MINUTES, call.events.recv()).await {
        panic!("{event:?}");
    }
}

/// A telephone that answers what it is asked and asks for nothing. Tells when each UPDATE came.
async fn telephone(answer_invite: &'static [&'static str]) -> (SocketAddr, UpdateTimes) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut datagram = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
            let Ok(Message::Request(request)) = read_datagram(&datagram[..length]) else {
                continue;
            };
            let more: &[&str] = match request.method {
                Method::Ack => continue,
                Method::Invite => answer_invite,
                Method::Update => {
                    // The test may have seen enough.
                    let _ = tell.send(Instant::now());
                    &["Session-Expires: 90;refresher=uac", "Require: timer"]
                }
                _ => &[],
            };
            let answer = answer(&request, addr, more);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (addr, told)
}

type UpdateTimes = mpsc::UnboundedReceiver<Instant>;

fn answer(request: &Request, addr: SocketAddr, more: &[&str]) -> Vec<u8> {
    let mut response = request.response(200);
    let to = request.headers.get(HeaderName::To).unwrap();
    let to = String::from_utf8(to.to_vec()).unwrap();
    if !to.contains(";tag=") {
        response
            .headers
            .set(HeaderName::To, format!("{to};tag=phone"));
    }
    response
        .headers
        .push(HeaderName::Contact, format!("<sip:phone@{addr}>"));
    for line in more {
        let (name, value) = line.split_once(": ").unwrap();
        response.headers.push(name, value);
    }
    if request.method == Method::Invite {
        response
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        response.body = SDP.to_vec();
    }
    response.to_bytes()
}

async fn we_refresh() {
    let (phone, mut updates) = telephone(&[
        "Session-Expires: 90;refresher=uac",
        "Require: timer",
        "Allow: INVITE, ACK, BYE, UPDATE, INFO",
    ])
    .await;
    let (agent, _incoming) = agent(Refresher::Us).await;
    let mut call = dial(&agent, phone);
    answered(&mut call).await;
    let up = Instant::now();
    lasts(&mut call).await;
    let mut at = Vec::new();
    while let Ok(time) = updates.try_recv() {
        at.push(time.duration_since(up).as_secs_f64());
    }
    // The fourth is due as the three minutes are over.
    assert!(at.len() >= 3, "{at:?}");
    for (nth, seconds) in at.iter().enumerate() {
        let due = 45.0 * (nth + 1) as f64;
        assert!((seconds - due).abs() < 3.0, "{at:?}");
    }
    agent.close(SOON).await;
}

async fn the_far_end_refreshes() {
    let (caller, _) = agent(Refresher::Them).await;
    let (callee, mut incoming) = agent(Refresher::Either).await;
    let mut ours = dial(&caller, callee.local_addr());
    let taken = timeout(SOON, incoming.recv()).await.unwrap().unwrap();
    let asked = taken.request.headers.get(HeaderName::SessionExpires);
    assert_eq!(asked, Some(&b"90;refresher=uas"[..]));
    let mut theirs = taken.call;
    theirs.handle.accept(SDP.to_vec());
    answered(&mut ours).await;
    let confirmed = timeout(SOON, theirs.events.recv()).await.unwrap();
    assert!(matches!(confirmed, Some(CallEvent::Confirmed { .. })));
    tokio::join!(lasts(&mut ours), lasts(&mut theirs));
    caller.close(SOON).await;
    callee.close(SOON).await;
}

async fn nobody_refreshes() {
    let (phone, _updates) =
        telephone(&["Session-Expires: 90;refresher=uas", "Require: timer"]).await;
    let (agent, _incoming) = agent(Refresher::Them).await;
    let mut call = dial(&agent, phone);
    answered(&mut call).await;
    let up = Instant::now();
    let event = timeout(THREE_MINUTES, call.events.recv()).await.unwrap();
    let Some(CallEvent::Ended(end)) = event else {
        panic!("{event:?}");
    };
    assert_eq!(end.cause, EndCause::Lost);
    assert_eq!(
        end.reason,
        format!("{phone} did not refresh the session within the 90 s agreed on")
    );
    let lasted = up.elapsed().as_secs_f64();
    assert!((59.0..63.0).contains(&lasted), "{lasted} s");
    agent.close(SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_live_as_long_as_somebody_refreshes_them() {
    // A task each: a panic of one is told at once, not after the others.
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(we_refresh());
    calls.spawn(the_far_end_refreshes());
    calls.spawn(nobody_refreshes());
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
}
