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

pub async fn sipp_holds_us() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "calls
         holds
         takes back
         hangs up",
    );
    let mut call = ours.answered().await;
    follow(&mut call).await;
    follow(&mut call).await;
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn sipp_holds_us_and_sends_nothing() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "calls
         > INVITE inactive
         < 100 ?
         < 200 a=inactive
         > ACK
         takes back
         hangs up",
    );
    let mut call = ours.answered().await;
    follow(&mut call).await;
    follow(&mut call).await;
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn we_hold_sipp() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "is called
         is held
         is taken back
         is hung up",
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
