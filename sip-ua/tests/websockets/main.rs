// SPDX-License-Identifier: MPL-2.0
//! Browsers, whose SIP comes in messages of a WebSocket (RFC 7118), on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod bounds;
mod browser;
mod calls;
mod over_tls;

use std::sync::Arc;
use std::time::Duration;

use browser::Browser;
use sip_ua::agent::{
    Agent, AgentConfig, Call, CallEvent, IncomingCall, Listen, OutgoingCall, Tls, Transport,
    Verdict,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

const SOON: Duration = Duration::from_secs(10);

/// An agent to which all that is said comes from Carol.
async fn agent(transport: Transport, tls: Tls) -> (Agent, mpsc::Receiver<IncomingCall>) {
    let config = AgentConfig {
        listen: vec![Listen {
            transport,
            addr: "127.0.0.1:0".parse().unwrap(),
        }],
        screen: Arc::new(|_, _| Verdict::AllowUser("carol".to_owned())),
        registrar: Some(sip_ua::registrar::Config::default()),
        tls,
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap()
}

async fn ws_agent() -> (Agent, mpsc::Receiver<IncomingCall>) {
    agent(Transport::Ws, Tls::default()).await
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
