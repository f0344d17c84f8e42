// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.6: a server tells where who is called is to be found.

use sip_ua::agent::{CallEvent, EndCause, EndedBy, OutgoingCall};

use crate::ours::{Ours, Peer, ended, expect, hang_up, ringing, to};

fn server(contact: &str) -> Peer {
    Peer::waits(&format!(
        "< INVITE m=audio
         > 302 | Contact: <{contact}>
         < ACK"
    ))
}

#[tokio::test]
async fn sipp_sends_us_on() {
    let ours = Ours::new().await;
    let bob = Peer::waits(
        "< INVITE m=audio
         > 180
         > 200 sdp
         < ACK
         < BYE
         > 200",
    );
    let server = server(&format!("sip:bob@{}", bob.addr()));
    let mut call = ours.agent.dial(OutgoingCall {
        follow_redirects: true,
        ..to(&server)
    });
    ringing(&mut call).await;
    expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { sdp: Some(_) })
    })
    .await;
    hang_up(&mut call).await;
    ours.finish([server, bob]).await;
}

#[tokio::test]
async fn who_does_not_trust_it_stays() {
    let ours = Ours::new().await;
    let server = server("sip:bob@192.0.2.99");
    let mut call = ours.agent.dial(to(&server));
    let end = ended(&mut call).await;
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, EndCause::Refused, Some(302))
    );
    ours.finish([server]).await;
}
