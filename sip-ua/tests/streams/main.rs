// SPDX-License-Identifier: MPL-2.0
//! The agent over TCP, on loopback, against another agent and against far ends whose every octet
//! the test writes.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod a_broken_connection_is_made_again;
mod a_long_request_takes_tcp;
mod a_registration_keeps_its_connection;
mod a_whole_call;
mod far_end;
mod garbage_on_a_stream_harms_no_call;
mod keep_alives;
mod nobody_listens;
mod registering;
mod strangers_are_told_nothing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, Call, CallEvent, Hop, IncomingCall, Listen, OutgoingCall, Transport,
    Verdict,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);

fn listen(transport: Transport, addr: &str) -> Listen {
    Listen {
        transport,
        addr: addr.parse().unwrap(),
    }
}

/// An agent that anybody may call.
async fn agent(listen: Vec<Listen>) -> (Agent, mpsc::Receiver<IncomingCall>) {
    let config = AgentConfig {
        listen,
        screen: Arc::new(|_, _| Verdict::Allow),
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap()
}

async fn tcp_agent() -> (Agent, mpsc::Receiver<IncomingCall>) {
    agent(vec![listen(Transport::Tcp, "127.0.0.1:0")]).await
}

fn to(addr: SocketAddr) -> OutgoingCall {
    let to = format!("sip:bob@{addr};transport=tcp").parse().unwrap();
    OutgoingCall {
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

fn tcp(addr: SocketAddr) -> Hop {
    Hop::new(Transport::Tcp, addr)
}
