// SPDX-License-Identifier: MPL-2.0

use sip_ua::agent::{EndCause, Hop};
use sip_ua::wire::{HeaderName, Method};
use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

/// Registers, asks, calls, and is hung up on by the far end: all of it over one WebSocket.
pub async fn registers_asks_and_calls<S: AsyncRead + AsyncWrite + Unpin>(
    agent: &Agent,
    calls: &mut mpsc::Receiver<IncomingCall>,
    mut browser: Browser<S>,
) {
    let register = browser.compose("REGISTER", "in", &["CSeq: 1 REGISTER"], "");
    browser.says(register).await;
    assert_eq!(browser.response().await.status, 200);

    let options = browser.compose("OPTIONS", "ask", &["CSeq: 1 OPTIONS"], "");
    browser.says(options).await;
    let answer = browser.response().await;
    assert_eq!(answer.status, 200);
    let via = answer.headers.get(HeaderName::Via).unwrap();
    assert!(String::from_utf8_lossy(via).contains(";received=127.0.0.1"));

    let sdp = ["CSeq: 1 INVITE", "Content-Type: application/sdp"];
    let invite = browser.compose("INVITE", "call", &sdp, "v=0 offer");
    browser.says(invite).await;
    let mut call = taken(calls).await;
    assert!(call.transport.is_websocket());
    assert_eq!(call.request.body, b"v=0 offer");
    call.call.handle.accept(b"v=0 answer".to_vec());
    let answer = browser.response().await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"v=0 answer"[..]));
    let contact = answer.headers.get(HeaderName::Contact).unwrap();
    let said = format!("<sip:{};transport=ws>", agent.local_addr());
    assert_eq!(String::from_utf8_lossy(contact), said);
    let to = String::from_utf8_lossy(answer.headers.get(HeaderName::To).unwrap());
    let to = format!("To: {to}");
    let ack = browser.compose("ACK", "call", &["CSeq: 1 ACK", &to], "");
    browser.says(ack).await;
    let event = next(&mut call.call).await;
    assert!(matches!(event, CallEvent::Confirmed { .. }), "{event:?}");

    call.call.handle.hangup(None);
    let bye = browser.request().await;
    assert_eq!(bye.method, Method::Bye);
    let via = bye.headers.get(HeaderName::Via).unwrap().to_vec();
    let wanted = format!("SIP/2.0/{} ", call.transport.name().to_uppercase());
    assert!(String::from_utf8(via).unwrap().starts_with(&wanted));
    browser.answer(&bye, 200, "").await;
    let event = next(&mut call.call).await;
    assert!(
        matches!(&event, CallEvent::Ended(end) if end.cause == EndCause::HungUp),
        "{event:?}"
    );

    // A call to it goes where it registered from: nowhere else could it be found.
    let binding = agent.bindings("carol").remove(0);
    let mut ours = agent.dial(OutgoingCall {
        offer: Some(b"v=0 offer".to_vec()),
        next_hops: vec![binding.hop],
        ..OutgoingCall::new(binding.contact, "sip:bob@sip.example".parse().unwrap())
    });
    let invite = browser.request().await;
    assert_eq!(invite.method, Method::Invite);
    browser.answer(&invite, 200, "v=0 answer").await;
    let event = next(&mut ours).await;
    assert!(matches!(event, CallEvent::Answered { .. }), "{event:?}");
    assert_eq!(browser.request().await.method, Method::Ack);
    assert_eq!(agent.stats().connections, 1);
}

#[tokio::test]
async fn a_browser_is_reached_over_its_websocket_alone() {
    let (agent, mut calls) = ws_agent().await;
    let browser = Browser::connect(agent.local_addr()).await;
    registers_asks_and_calls(&agent, &mut calls, browser).await;
}

#[tokio::test]
async fn nobody_opens_a_websocket_to_a_browser() {
    let (agent, _calls) = ws_agent().await;
    let from = "sip:bob@sip.example";
    let to = "sip:carol@127.0.0.1:9;transport=ws";
    let mut call = agent.dial(OutgoingCall::new(
        to.parse().unwrap(),
        from.parse().unwrap(),
    ));
    let CallEvent::Ended(end) = next(&mut call).await else {
        panic!("it was called")
    };
    assert_eq!(
        end.reason,
        "sip:carol@127.0.0.1:9;transport=ws asks for a WebSocket, which only the far end can open"
    );
    // One that is closed stays so.
    let call = OutgoingCall {
        next_hops: vec![Hop::new(Transport::Ws, "127.0.0.1:9".parse().unwrap())],
        ..OutgoingCall::new(to.parse().unwrap(), from.parse().unwrap())
    };
    let CallEvent::Ended(end) = next(&mut agent.dial(call)).await else {
        panic!("it was called")
    };
    assert_eq!(end.cause, EndCause::Unreachable);
    let said = "cannot be reached: its connection is closed, and it has to open another";
    assert!(end.reason.ends_with(said), "{}", end.reason);
}
