// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.3: two proxies on the way want to know who calls, one after the other.

use sip_ua::agent::{CallEvent, OutgoingCall};
use sip_ua::digest::Credentials;

use crate::ours::{Ours, Peer, expect, hang_up, ringing, to};

pub async fn sipp_is_two_proxies() {
    let ours = Ours::new().await;
    let wants = |realm: &str| {
        format!(
            "Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"of-{realm}\", algorithm=MD5, qop=\"auth\""
        )
    };
    let (near, far) = (wants("near"), wants("far"));
    let sipp = Peer::waits(&format!(
        "< INVITE m=audio
         > 407 | {near}
         < ACK
         < INVITE realm=.near
         > 407 | {far}
         < ACK
         < INVITE realm=.near realm=.far
         > 180
         > 200 sdp
         < ACK
         is hung up"
    ));
    let mut call = ours.agent.dial(OutgoingCall {
        credentials: Some(Credentials::new("alice", "secret")),
        ..to(&sipp)
    });
    ringing(&mut call).await;
    expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { sdp: Some(_) })
    })
    .await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}
