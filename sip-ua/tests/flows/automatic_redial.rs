// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.17: who was busy is called again when they are free. Ours tells nobody of its calls (the
//! `dialog` package) and says so at once: whoever wants to call again tries.

use sip_ua::agent::{EndCause, IncomingCall};

use crate::ours::{Ours, Peer, ended, hang_up, hung_up, to};

pub async fn sipp_asks_when_we_are_free_and_tries_again() {
    let mut ours = Ours::new().await;
    let busy = ours.called_by(
        "> INVITE sdp
         < 100 ?
         < 486
         > ACK",
    );
    let IncomingCall { mut call, .. } = ours.call().await;
    call.handle.reject(486, None);
    assert_eq!(ended(&mut call).await.cause, EndCause::Busy);
    let asks = ours.called_by(
        "> SUBSCRIBE | Event: dialog | Accept: application/dialog-info+xml
         < 489 Allow-Events:.refer",
    );
    asks.was_content().await;
    let again = ours.called_by(
        "calls
         hangs up",
    );
    let mut call = ours.answered().await;
    hung_up(&mut call).await;
    ours.finish([busy, again]).await;
}

pub async fn we_try_again() {
    let ours = Ours::new().await;
    let busy = Peer::waits(
        "< INVITE m=audio
         > 486
         < ACK",
    );
    let mut call = ours.agent.dial(to(&busy));
    assert_eq!(ended(&mut call).await.cause, EndCause::Busy);
    let free = Peer::waits(
        "is called
         is hung up",
    );
    let mut call = ours.calls(&free).await;
    hang_up(&mut call).await;
    ours.finish([busy, free]).await;
}
