// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.1: a call is answered, and hung up by whoever made it.

use crate::ours::{Ours, Peer, hang_up, hung_up};

#[tokio::test]
async fn sipp_calls_and_hangs_up() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "> INVITE sdp
         < 100 ?
         < 180
         < 200 m=audio
         > ACK
         > BYE
         < 200",
    );
    let mut call = ours.answered().await;
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}

#[tokio::test]
async fn sipp_is_called_and_hung_up() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE m=audio
         > 100
         > 180
         > 200 sdp
         < ACK
         < BYE
         > 200",
    );
    let mut call = ours.calls(&sipp).await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}

#[tokio::test]
async fn whoever_was_called_hangs_up() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE m=audio
         > 180
         > 200 sdp
         < ACK
         > BYE
         < 200",
    );
    let mut call = ours.calls(&sipp).await;
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}
