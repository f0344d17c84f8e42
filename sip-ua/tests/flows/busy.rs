// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.9: who is called is busy.

use sip_ua::agent::{EndCause, EndedBy, IncomingCall};

use crate::ours::{Ours, Peer, ended, to};

/// sipp calls, and is refused with that status.
pub async fn refused(status: u16) {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(&format!(
        "> INVITE sdp
         < 100 ?
         < {status}
         > ACK"
    ));
    let IncomingCall { mut call, .. } = ours.call().await;
    call.handle.reject(status, None);
    let end = ended(&mut call).await;
    assert_eq!((end.by, end.status), (EndedBy::Local, Some(status)));
    ours.finish([sipp]).await;
}

/// sipp refuses a call of ours with that status.
pub async fn refuses(status: u16, cause: EndCause) {
    let ours = Ours::new().await;
    let sipp = Peer::waits(&format!(
        "< INVITE m=audio
         > {status}
         < ACK"
    ));
    let mut call = ours.agent.dial(to(&sipp));
    let end = ended(&mut call).await;
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, cause, Some(status))
    );
    ours.finish([sipp]).await;
}

pub async fn we_are_busy() {
    refused(486).await;
}

pub async fn sipp_is_busy() {
    refuses(486, EndCause::Busy).await;
}
