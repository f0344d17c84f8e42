// SPDX-License-Identifier: MPL-2.0

use std::net::SocketAddr;

use sip_ua::agent::{AgentStats, EndCause, EndedBy};
use tokio::net::TcpListener;

use super::far_end::FarEnd;
use super::*;

async fn a_whole_call(addr: &str) {
    let (alice, _none) = agent(vec![listen(Transport::Tcp, addr)]).await;
    let (bob, mut calls) = agent(vec![listen(Transport::Tcp, addr)]).await;
    let mut ours = alice.dial(to(bob.local_addr()));
    let mut theirs = taken(&mut calls).await;
    assert_eq!(theirs.transport, Transport::Tcp);
    assert_eq!(theirs.local, bob.local_addr());
    let via = theirs.request.headers.get("Via").unwrap();
    assert!(via.starts_with(b"SIP/2.0/TCP "));
    let contact = theirs.request.headers.get("Contact").unwrap().to_vec();
    let said = format!("{};transport=tcp>", alice.local_addr());
    assert!(String::from_utf8(contact).unwrap().ends_with(&said));
    theirs.call.handle.ring(None);
    assert!(matches!(
        next(&mut ours).await,
        CallEvent::Progress { status: 180, .. }
    ));
    theirs.call.handle.accept(b"v=0 answer".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Answered { .. }));
    assert!(matches!(
        next(&mut theirs.call).await,
        CallEvent::Confirmed { .. }
    ));
    // Requests of the callee take the connection that the call came over.
    theirs.call.handle.reoffer(b"v=0 again".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Reoffer { .. }));
    ours.handle.answer_reoffer(Ok(b"v=0 fine".to_vec()));
    assert!(matches!(
        next(&mut theirs.call).await,
        CallEvent::ReofferAnswered { .. }
    ));
    assert_eq!((alice.stats().connections, bob.stats().connections), (1, 1));
    theirs.call.handle.hangup(None);
    let CallEvent::Ended(end) = next(&mut ours).await else {
        panic!("no end")
    };
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::HungUp));
    alice.close(SECOND).await;
    bob.close(SECOND).await;
    assert_eq!(alice.stats(), AgentStats::default());
    assert_eq!(bob.stats(), AgentStats::default());
}

#[tokio::test]
async fn over_ipv4() {
    a_whole_call("127.0.0.1:0").await;
}

#[tokio::test]
async fn over_ipv6() {
    a_whole_call("[::1]:0").await;
}

#[tokio::test]
async fn a_second_call_takes_the_connection_of_the_first() {
    let (alice, _none) = tcp_agent().await;
    let (bob, mut calls) = tcp_agent().await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let ours = alice.dial(to(bob.local_addr()));
        kept.push((ours, taken(&mut calls).await));
    }
    assert_eq!((alice.stats().connections, bob.stats().connections), (1, 1));
}

#[tokio::test]
async fn a_call_to_an_open_connection_opens_none() {
    let (bob, mut calls) = tcp_agent().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut carol = FarEnd::connect(bob.local_addr()).await;
    let invite = carol.compose("OPTIONS", bob.local_addr(), "ask", &["CSeq: 1 OPTIONS"], "");
    carol.write(invite).await;
    assert_eq!(carol.response().await.status, 200);
    // As a registrar does with the contact of a phone that it knows by its connection only.
    let call = OutgoingCall {
        next_hops: vec![tcp(carol.addr())],
        ..to(listener.local_addr().unwrap())
    };
    let mut ours = bob.dial(call);
    let invite = carol.request().await;
    carol.answer(&invite, 200, "v=0 answer").await;
    assert!(matches!(next(&mut ours).await, CallEvent::Answered { .. }));
    assert_eq!(carol.request().await.method, sip_ua::wire::Method::Ack);
    assert_eq!(bob.stats().connections, 1);
    assert!(calls.try_recv().is_err());
}

#[tokio::test]
async fn udp_and_tcp_listen_on_the_same_free_port() {
    let (alice, _none) = agent(vec![
        listen(Transport::Udp, "127.0.0.1:0"),
        listen(Transport::Tcp, "127.0.0.1:0"),
    ])
    .await;
    let ports: Vec<SocketAddr> = alice.listeners().iter().map(|hop| hop.addr).collect();
    assert_eq!(ports[0], ports[1]);
    assert_eq!(alice.listeners()[1].transport, Transport::Tcp);
}
