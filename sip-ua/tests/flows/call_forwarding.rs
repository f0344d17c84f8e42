// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.7 to §2.9: who is called has their calls forwarded, and the caller is told so.

use std::fmt::Write as _;

use sip_ua::agent::CallEvent;

use crate::ours::{Ours, Peer, expect, hang_up, to};

/// sipp is a proxy behind which telephones say this; the last one is answered.
pub async fn forwarded(said: &[(u16, &str)]) {
    let ours = Ours::new().await;
    let (_, answered) = said.last().expect("somebody answers");
    let mut flow = "< INVITE m=audio\n".to_owned();
    for (status, telephone) in said {
        writeln!(flow, "> {status} tag:{telephone}").unwrap();
    }
    let sipp = Peer::waits(&format!(
        "{flow}
         > 200 sdp tag:{answered}
         < ACK tag={answered}
         < BYE tag={answered}
         > 200"
    ));
    let mut call = ours.agent.dial(to(&sipp));
    for (said, _) in said {
        let is = |event: &CallEvent| matches!(event, CallEvent::Progress { status, .. } if status == said);
        expect(&mut call, is).await;
    }
    expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { sdp: Some(_) })
    })
    .await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn sipp_forwards_us() {
    forwarded(&[(181, "other"), (180, "other")]).await;
}

pub async fn sipp_is_busy_and_forwards_us() {
    forwarded(&[(181, "proxy"), (180, "other")]).await;
}

pub async fn sipp_does_not_answer_and_forwards_us() {
    forwarded(&[(180, "desk"), (181, "proxy"), (180, "other")]).await;
}
