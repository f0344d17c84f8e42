// SPDX-License-Identifier: MPL-2.0

use tokio::net::TcpListener;

use super::far_end::FarEnd;
use super::*;

/// A far end closes a connection while our INVITE is on its way: it comes again, with the same
/// branch, over a new one.
#[tokio::test]
async fn a_request_without_an_answer_is_sent_again() {
    let (alice, _none) = tcp_agent().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut call = alice.dial(to(listener.local_addr().unwrap()));
    let mut first = FarEnd::accept(&listener).await;
    let lost = first.request().await;
    drop(first);
    let mut second = FarEnd::accept(&listener).await;
    let again = second.request().await;
    assert_eq!(again, lost);
    second.answer(&again, 200, "v=0 answer").await;
    assert!(matches!(next(&mut call).await, CallEvent::Answered { .. }));
    assert_eq!(second.request().await.method, sip_ua::wire::Method::Ack);
    assert_eq!(alice.stats().connections, 1);
}

/// §18.2.2: the caller's connection is gone when the answer is there, so it goes to where its Via
/// says.
#[tokio::test]
async fn an_answer_goes_to_the_via_when_its_connection_is_gone() {
    let (bob, mut calls) = tcp_agent().await;
    let at = bob.local_addr();
    let home = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut carol = FarEnd::connect(at).await;
    let via = format!("SIP/2.0/TCP {}", carol.addr());
    let said = format!("SIP/2.0/TCP {}", home.local_addr().unwrap());
    let invite = carol.compose("INVITE", at, "call", &["CSeq: 1 INVITE"], "");
    carol.write(invite.replace(&via, &said)).await;
    let theirs = taken(&mut calls).await;
    drop(carol);
    until(&bob, |stats| stats.connections == 0).await;
    theirs.call.handle.reject(486, None);
    let mut carol = FarEnd::accept(&home).await;
    assert_eq!(carol.response().await.status, 486);
}
