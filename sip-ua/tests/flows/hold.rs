// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.1: a call is held, and taken from hold.

use sip_ua::agent::Call;
use sip_ua::sdp;

use crate::ours::{Ours, Peer, answer, hang_up, holding, hung_up, media, reoffer, reoffered};

/// An offer comes and is answered.
pub async fn follow(call: &mut Call) {
    let offer = reoffered(call).await;
    call.handle.answer_reoffer(Ok(answer(&offer)));
}

#[tokio::test]
async fn sipp_holds_us() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "> INVITE sdp
         < 100 ?
         < 180
         < 200 m=audio
         > ACK
         > INVITE sendonly
         < 100 ?
         < 200 a=recvonly
         > ACK
         > INVITE sdp
         < 100 ?
         < 200 a=sendrecv
         > ACK
         > BYE
         < 200",
    );
    let mut call = ours.answered().await;
    follow(&mut call).await;
    follow(&mut call).await;
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}

#[tokio::test]
async fn we_hold_sipp() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
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
    let mut call = ours.calls(&sipp).await;
    let first = sdp::offer(&media());
    let held = sdp::reoffer(&holding(), &first);
    for offer in [held.clone(), sdp::reoffer(&media(), &held)] {
        reoffer(&mut call, offer).await;
    }
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}
