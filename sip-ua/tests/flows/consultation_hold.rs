// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.2: who is held waits while somebody else is asked, and is taken from hold.

use sip_ua::sdp;

use crate::ours::{Ours, Peer, hang_up, holding, media, reoffer};

pub async fn we_ask_somebody_else() {
    let ours = Ours::new().await;
    let held = Peer::waits(
        "is called
         is held
         is taken back
         is hung up",
    );
    let asked = Peer::waits(
        "is called
         is hung up",
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
pub async fn sipp_asks_somebody_else() {
    let mut ours = Ours::new().await;
    let holds = ours.called_by(
        "calls
         holds
         pause 500
         takes back
         hangs up",
    );
    let mut first = ours.answered().await;
    crate::hold::follow(&mut first).await;
    // Meanwhile it speaks with us by another line.
    let asks = ours.called_by(
        "calls
         hangs up",
    );
    let mut second = ours.answered().await;
    crate::ours::hung_up(&mut second).await;
    crate::hold::follow(&mut first).await;
    crate::ours::hung_up(&mut first).await;
    ours.finish([holds, asks]).await;
}
