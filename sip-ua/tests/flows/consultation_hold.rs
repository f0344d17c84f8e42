// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.2: who is held waits while somebody else is asked, and is taken from hold.

use sip_ua::sdp;

use crate::ours::{Ours, Peer, hang_up, holding, media, reoffer};

#[tokio::test]
async fn we_ask_somebody_else() {
    let ours = Ours::new().await;
    let held = Peer::waits(
        "< INVITE a=sendrecv
         > 180
         > 200 sdp
         < ACK
         < INVITE a=sendonly
         > 200 recvonly
         < ACK
         < INVITE a=sendrecv
         > 200 sdp
         < ACK
         < BYE
         > 200",
    );
    let asked = Peer::waits(
        "< INVITE a=sendrecv
         > 180
         > 200 sdp
         < ACK
         < BYE
         > 200",
    );
    let mut first = ours.calls(&held).await;
    let hold = sdp::reoffer(&holding(), &sdp::offer(&media()));
    reoffer(&mut first, hold.clone()).await;
    let mut second = ours.calls(&asked).await;
    hang_up(&mut second).await;
    reoffer(&mut first, sdp::reoffer(&media(), &hold)).await;
    hang_up(&mut first).await;
    ours.finish([held, asked]).await;
}

/// Who asks holds one call and makes another.
#[tokio::test]
async fn sipp_asks_somebody_else() {
    let mut ours = Ours::new().await;
    let holds = ours.called_by(
        "> INVITE sdp
         < 100 ?
         < 180
         < 200 m=audio
         > ACK
         > INVITE sendonly
         < 100 ?
         < 200 a=recvonly
         > ACK
         pause 500
         > INVITE sdp
         < 100 ?
         < 200 a=sendrecv
         > ACK
         > BYE
         < 200",
    );
    let mut first = ours.answered().await;
    crate::hold::follow(&mut first).await;
    // Meanwhile it speaks with us by another line.
    let asks = ours.called_by(
        "> INVITE sdp
         < 100 ?
         < 180
         < 200 m=audio
         > ACK
         > BYE
         < 200",
    );
    let mut second = ours.answered().await;
    crate::ours::hung_up(&mut second).await;
    crate::hold::follow(&mut first).await;
    crate::ours::hung_up(&mut first).await;
    ours.finish([holds, asks]).await;
}
