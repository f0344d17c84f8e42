// SPDX-License-Identifier: MPL-2.0
//! The agent over TLS, on loopback: calls, certificates that are refused, and far ends that speak
//! something else or nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod a_certificate_is_refused;
mod a_new_certificate_counts_without_restart;
mod a_whole_call;
mod certificates;
mod clients_show_theirs;
mod files_are_held_against_each_other;
mod registering;
mod strangers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certificates::{Authority, load};
use sip_ua::agent::{
    Agent, AgentConfig, Call, CallEvent, Domain, End, Hop, IncomingCall, Listen, OutgoingCall,
    Proof, Tls, Transport, Verdict,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);

/// An agent on a free port, which anybody may call.
async fn agent(transport: Transport, tls: Tls) -> (Agent, mpsc::Receiver<IncomingCall>) {
    let config = AgentConfig {
        listen: vec![Listen {
            transport,
            addr: "127.0.0.1:0".parse().unwrap(),
        }],
        screen: Arc::new(|_, _| Verdict::Allow),
        tls,
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap()
}

/// One that others connect to.
async fn bob(tls: Tls) -> (Agent, mpsc::Receiver<IncomingCall>) {
    agent(Transport::Tls, tls).await
}

/// One that only connects: it has nothing to listen for TLS with.
async fn alice(tls: Tls) -> Agent {
    agent(Transport::Udp, tls).await.0
}

/// The address, found under this name.
fn found(name: &str, addr: SocketAddr) -> Hop {
    Hop {
        proof: Proof::Domain(Domain::new(name)),
        ..Hop::new(Transport::Tls, addr)
    }
}

/// A call to somebody at this name, as a lookup of it would have it.
fn to(name: &str, addr: SocketAddr) -> OutgoingCall {
    let to = format!("sip:bob@{name};transport=tls").parse().unwrap();
    OutgoingCall {
        offer: Some(b"v=0 offer".to_vec()),
        next_hops: vec![found(name, addr)],
        ..OutgoingCall::new(to, "sip:alice@example.org".parse().unwrap())
    }
}

async fn next(call: &mut Call) -> CallEvent {
    timeout(SOON, call.events.recv())
        .await
        .expect("in time")
        .expect("an event")
}

/// The end, and nothing before it.
async fn end(call: &mut Call) -> End {
    match next(call).await {
        CallEvent::Ended(end) => end,
        other => panic!("{other:?}"),
    }
}

async fn taken(calls: &mut mpsc::Receiver<IncomingCall>) -> IncomingCall {
    timeout(SOON, calls.recv())
        .await
        .expect("in time")
        .expect("a call")
}

/// A call that is answered; both sides of it.
async fn up(
    agent: &Agent,
    call: OutgoingCall,
    calls: &mut mpsc::Receiver<IncomingCall>,
) -> (Call, IncomingCall) {
    let mut ours = agent.dial(call);
    let mut theirs = tokio::select! {
        theirs = taken(calls) => theirs,
        event = next(&mut ours) => panic!("{event:?}"),
    };
    theirs.call.handle.accept(b"v=0 answer".to_vec());
    let event = next(&mut ours).await;
    assert!(matches!(event, CallEvent::Answered { .. }), "{event:?}");
    let event = next(&mut theirs.call).await;
    assert!(matches!(event, CallEvent::Confirmed { .. }), "{event:?}");
    (ours, theirs)
}

/// Waits until the agent says so of itself.
async fn until(agent: &Agent, what: impl Fn(&sip_ua::agent::AgentStats) -> bool) {
    let settled = async {
        while !what(&agent.stats()) {
            tokio::task::yield_now().await;
        }
    };
    if timeout(SOON, settled).await.is_err() {
        panic!("{:?}", agent.stats());
    }
}
