// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.1: a call is answered, and hung up by whoever made it.

use crate::ours::{Ours, Peer, hang_up, hung_up};

pub async fn sipp_calls_and_hangs_up() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "calls
         hangs up",
    );
    let mut call = ours.answered().await;
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn sipp_is_called_and_hung_up() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE m=audio
         > 100
         > 180
         > 200 sdp
         < ACK
         is hung up",
    );
    let mut call = ours.calls(&sipp).await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn whoever_was_called_hangs_up() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "is called
         hangs up",
    );
    let mut call = ours.calls(&sipp).await;
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}
