// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.2: two proxies stay in the path of a call, and what follows within it takes the same way.

use crate::ours::{Ours, Peer, hang_up};

pub async fn sipp_calls_through_two() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "> INVITE sdp | Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKfar | Record-Route: <sip:near@[local_ip]:[local_port];lr>, <sip:far@192.0.2.9;lr>
         < 100 ?
         < 180 z9hG4bKfar
         < 200 z9hG4bKfar Record-Route:.<sip:near@.*<sip:far@
         > ACK
         < BYE Route:.<sip:near@.*<sip:far@
         > 200",
    );
    let mut call = ours.answered().await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn we_call_through_two() {
    let ours = Ours::new().await;
    // The one nearest to whom we call stands first.
    let path = "Record-Route: <sip:far@192.0.2.9;lr>, <sip:near@[local_ip]:[local_port];lr>";
    let sipp = Peer::waits(&format!(
        "< INVITE m=audio
         > 100
         > 180 | {path}
         > 200 sdp | {path}
         < ACK Route:.<sip:near@.*<sip:far@
         < BYE Route:.<sip:near@.*<sip:far@
         > 200"
    ));
    let mut call = ours.calls(&sipp).await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}
