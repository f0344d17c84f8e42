// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.6: a server tells where who is called is to be found.

use sip_ua::agent::{CallEvent, EndCause, EndedBy, OutgoingCall};

use crate::ours::{Ours, Peer, answer, ended, expect, hang_up, ringing, to};

fn server(contact: &str) -> Peer {
    Peer::waits(&format!(
        "< INVITE
         > 302 | Contact: <{contact}>
         < ACK"
    ))
}

pub async fn sipp_sends_us_on() {
    let ours = Ours::new().await;
    let bob = Peer::waits(
        "is called
         is hung up",
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

pub async fn who_does_not_trust_it_stays() {
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

/// Nothing is offered before who is called is found: their offer is answered in the ACK.
pub async fn sipp_sends_us_on_and_offers() {
    let ours = Ours::new().await;
    let bob = Peer::waits(
        "< INVITE Content-Length:.0
         > 180
         > 200 sdp
         < ACK m=audio
         is hung up",
    );
    let server = server(&format!("sip:bob@{}", bob.addr()));
    let mut call = ours.agent.dial(OutgoingCall {
        follow_redirects: true,
        offer: None,
        ..to(&server)
    });
    ringing(&mut call).await;
    let event = expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { .. })
    })
    .await;
    let CallEvent::Answered { sdp: Some(offer) } = event else {
        panic!("{event:?}");
    };
    call.handle.accept(answer(&offer));
    hang_up(&mut call).await;
    ours.finish([server, bob]).await;
}
