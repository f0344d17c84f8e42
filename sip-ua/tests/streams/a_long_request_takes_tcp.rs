// SPDX-License-Identifier: MPL-2.0
//! RFC 3261 §18.1.1: too long for a datagram goes over TCP, and back to UDP where there is none.

use super::registering::{registering, registrar, until_registered};
use super::*;

fn both() -> Vec<Listen> {
    vec![
        listen(Transport::Udp, "127.0.0.1:0"),
        listen(Transport::Tcp, "127.0.0.1:0"),
    ]
}

fn long_call(addr: SocketAddr) -> OutgoingCall {
    let to = format!("sip:bob@{addr}").parse().unwrap();
    OutgoingCall {
        offer: Some(vec![b'v'; 1400]),
        ..OutgoingCall::new(to, "sip:alice@example.org".parse().unwrap())
    }
}

async fn goes_through(ours: &mut Call, theirs: &mut IncomingCall) {
    theirs.call.handle.accept(b"v=0 answer".to_vec());
    assert!(matches!(next(ours).await, CallEvent::Answered { .. }));
    assert!(matches!(
        next(&mut theirs.call).await,
        CallEvent::Confirmed { .. }
    ));
    ours.handle.hangup(None);
    assert!(matches!(next(&mut theirs.call).await, CallEvent::Ended(_)));
}

#[tokio::test]
async fn and_the_rest_of_the_call_stays_with_udp() {
    let (alice, _none) = agent(both()).await;
    let (bob, mut calls) = agent(both()).await;
    let mut ours = alice.dial(long_call(bob.local_addr()));
    let mut theirs = taken(&mut calls).await;
    assert_eq!(theirs.transport, Transport::Tcp);
    let contact = theirs.request.headers.get("Contact").unwrap();
    assert!(!contact.windows(9).any(|part| part == b"transport"));
    goes_through(&mut ours, &mut theirs).await;
    // A short one needs no connection.
    let mut short = long_call(bob.local_addr());
    short.offer = None;
    let _ours = alice.dial(short);
    assert_eq!(taken(&mut calls).await.transport, Transport::Udp);
}

#[tokio::test]
async fn a_far_end_without_tcp_gets_it_over_udp() {
    let (alice, _none) = agent(both()).await;
    let (bob, mut calls) = agent(vec![listen(Transport::Udp, "127.0.0.1:0")]).await;
    for _ in 0..2 {
        let mut ours = alice.dial(long_call(bob.local_addr()));
        let mut theirs = taken(&mut calls).await;
        assert_eq!(theirs.transport, Transport::Udp);
        let via = theirs.request.headers.get("Via").unwrap();
        assert!(via.starts_with(b"SIP/2.0/UDP "));
        goes_through(&mut ours, &mut theirs).await;
    }
}

/// Registers with a REGISTER that is too long for a datagram; says over what it arrived.
async fn registers_over(registrar: &Agent) -> Transport {
    let (alice, _none) = agent(both()).await;
    let at = registrar.local_addr();
    let long = format!("<sip:{at};lr;x={}>", "x".repeat(1300));
    let route = vec![long.parse().unwrap()];
    let registration = registering(&alice, format!("sip:{at}"), route);
    until_registered(&registration).await;
    registrar.bindings("alice")[0].hop.transport
}

#[tokio::test]
async fn a_long_register_does_too() {
    let (over_both, _calls) = registrar(both()).await;
    assert_eq!(registers_over(&over_both).await, Transport::Tcp);
    let (over_udp, _calls) = registrar(vec![listen(Transport::Udp, "127.0.0.1:0")]).await;
    assert_eq!(registers_over(&over_udp).await, Transport::Udp);
}
