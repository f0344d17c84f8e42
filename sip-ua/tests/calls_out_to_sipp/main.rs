// SPDX-License-Identifier: MPL-2.0
//! The agent calls sipp: another's idea of a callee, and of a password check.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod sipp;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, AgentStats, CallEvent, End, EndCause, EndedBy, Listen, OutgoingCall,
    Transport, Verdict,
};
use sip_ua::digest::Credentials;
use sipp::Sipp;
use tokio::net::TcpSocket;
use tokio::time::timeout;

const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0\r\n";

const LONG: Duration = Duration::from_secs(60);

/// How many calls are made to it at once.
const CALLS: usize = 200;

/// At loopback.
fn start(scenario: &[&str], calls: usize) -> Sipp {
    Sipp::start(Ipv4Addr::LOCALHOST.into(), scenario, calls)
}

async fn agent() -> Agent {
    let listen = [Transport::Udp, Transport::Tcp].map(|transport| Listen {
        transport,
        addr: SocketAddr::from(([127, 0, 0, 1], 0)),
    });
    let config = AgentConfig {
        listen: listen.to_vec(),
        screen: Arc::new(|_, _| Verdict::Allow),
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap().0
}

fn to(addr: SocketAddr, password: Option<&str>) -> OutgoingCall {
    let to = format!("sip:service@{addr}").parse().unwrap();
    OutgoingCall {
        offer: Some(OFFER.to_vec()),
        credentials: password.map(|password| Credentials::new("alice", password)),
        ring_timeout: LONG,
        ..OutgoingCall::new(to, "sip:alice@127.0.0.1".parse().unwrap())
    }
}

/// Makes a call, hangs up when it is answered, and says how it ended.
async fn call(agent: Agent, target: OutgoingCall) -> (bool, End) {
    let mut call = agent.dial(target);
    let mut answered = false;
    loop {
        match timeout(LONG, call.events.recv())
            .await
            .expect("in time")
            .expect("an end")
        {
            CallEvent::Answered { sdp } => {
                assert!(sdp.is_some_and(|sdp| sdp.starts_with(b"v=0")));
                answered = true;
                call.handle.hangup(None);
            }
            CallEvent::Ended(end) => return (answered, end),
            _ => {}
        }
    }
}

async fn two_hundred_calls(transport: &str, sipp: Sipp) {
    let agent = agent().await;
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let mut target = to(sipp.addr, None);
            target.to.params.set("transport", transport);
            tokio::spawn(call(agent.clone(), target))
        })
        .collect();
    for call in calls {
        let (answered, end) = call.await.unwrap();
        assert!(answered, "{end}");
        assert_eq!((end.by, end.cause), (EndedBy::Local, EndCause::HungUp));
    }
    // sipp first: a connection that ends while it still files its last calls is a failure to it.
    let content = tokio::task::spawn_blocking(|| sipp.was_content());
    assert!(content.await.unwrap());
    agent.close(LONG).await;
    assert_eq!(agent.stats(), AgentStats::default());
}

#[tokio::test]
async fn two_hundred_calls_over_udp_are_answered_and_hung_up() {
    two_hundred_calls("udp", start(&["-sn", "uas"], CALLS)).await;
}

#[tokio::test]
async fn two_hundred_calls_over_tcp_are_answered_and_hung_up() {
    let sipp = start(&["-sn", "uas", "-t", "t1"], CALLS);
    // A refused connection ends a call at once, where a lost datagram is sent again. From sipp's own address
    // a connection might meet itself, where the port it is given is the one it asks for.
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], 0));
    let listening = async {
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(elsewhere).unwrap();
            if socket.connect(sipp.addr).await.is_ok() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, listening).await.expect("sipp listens");
    two_hundred_calls("tcp", sipp).await;
}

#[tokio::test]
async fn the_right_password_gets_through() {
    let scenario = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/calls_out_to_sipp/password.xml"
    );
    let sipp = start(&["-sf", scenario], 1);
    let agent = agent().await;
    let (answered, end) = call(agent.clone(), to(sipp.addr, Some("secret"))).await;
    assert!(answered, "{end}");
    agent.close(LONG).await;
    assert!(sipp.was_content());
}

#[tokio::test]
async fn the_wrong_password_ends_with_a_sentence() {
    let scenario = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/calls_out_to_sipp/password.xml"
    );
    let sipp = start(&["-sf", scenario], 1);
    let agent = agent().await;
    let (answered, end) = call(agent.clone(), to(sipp.addr, Some("guess"))).await;
    assert!(!answered);
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, EndCause::Unauthorized, Some(401))
    );
    assert!(end.reason.contains("sipp.example"), "{end}");
    agent.close(LONG).await;
}
