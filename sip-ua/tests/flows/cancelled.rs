// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.8: nobody answers, and the caller gives up.

use sip_ua::agent::{EndCause, EndedBy, IncomingCall};

use crate::ours::{Ours, Peer, ended, ringing, to};

pub async fn sipp_gives_up() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "> INVITE sdp
         < 100 ?
         < 180
         > CANCEL
         < 200
         < 487
         > ACK",
    );
    let IncomingCall { mut call, .. } = ours.call().await;
    call.handle.ring(None);
    let end = ended(&mut call).await;
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::Cancelled));
    ours.finish([sipp]).await;
}

pub async fn we_give_up() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE m=audio
         > 180
         < CANCEL
         > 200
         > 487 INVITE
         < ACK",
    );
    let mut call = ours.agent.dial(to(&sipp));
    ringing(&mut call).await;
    call.handle.hangup(None);
    let end = ended(&mut call).await;
    assert_eq!((end.by, end.cause), (EndedBy::Local, EndCause::Cancelled));
    ours.finish([sipp]).await;
}
