// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.7 to §2.9: who is called has their calls forwarded, and the caller is told so.

use sip_ua::agent::CallEvent;

use crate::ours::{Ours, Peer, expect, hang_up, ringing, to};

#[tokio::test]
async fn sipp_forwards_us() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE m=audio
         > 181
         > 180
         > 200 sdp
         < ACK
         < BYE
         > 200",
    );
    let mut call = ours.agent.dial(to(&sipp));
    expect(&mut call, |event| {
        matches!(event, CallEvent::Progress { status: 181, .. })
    })
    .await;
    ringing(&mut call).await;
    expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { sdp: Some(_) })
    })
    .await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}
