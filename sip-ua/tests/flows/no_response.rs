// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.10: nothing is heard of who is called, and after a while the proxy says so.

use sip_ua::agent::{EndCause, EndedBy};

use crate::ours::{Ours, Peer, ended, to};

pub async fn sipp_hears_nothing() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE m=audio
         > 100
         pause 300
         > 480
         < ACK",
    );
    let mut call = ours.agent.dial(to(&sipp));
    let end = ended(&mut call).await;
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, EndCause::NoAnswer, Some(480))
    );
    ours.finish([sipp]).await;
}
