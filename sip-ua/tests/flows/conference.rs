// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.10 and §2.11: three talk with each other. One of them mixes what the others say, and from
//! then on is reached at another Contact (`isfocus`).

use sip_ua::sdp::{self, LocalMedia};

use crate::hold::follow;
use crate::ours::{Ours, PORT, Peer, hang_up, hung_up, media, reoffer};

const FOCUS: &str = "Contact: <sip:mixer@[local_ip]:[local_port]>;isfocus";

pub async fn sipp_mixes_us_with_another() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(&format!(
        "is called
         > INVITE moved | {FOCUS}
         < 100 ?
         < 200 m=audio
         > ACK
         < BYE BYE.sip:mixer@
         > 200"
    ));
    let mut call = ours.calls(&sipp).await;
    follow(&mut call).await;
    // From here on it is reached at its new Contact.
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn sipp_calls_us_into_it() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(&format!(
        "calls | {FOCUS}
         < BYE BYE.sip:mixer@
         > 200"
    ));
    let mut call = ours.answered().await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}

/// The media of the first move to where they are mixed, and nobody is held meanwhile.
pub async fn we_add_a_third() {
    let ours = Ours::new().await;
    let mixer = LocalMedia {
        rtp_port: PORT + 2,
        ..media()
    };
    let alice = Peer::waits(&format!(
        "is called
         < INVITE {}
         > 200 sdp
         < ACK
         is hung up",
        mixer.rtp_port
    ));
    let carol = Peer::waits(
        "is called
         is hung up",
    );
    let mut with_alice = ours.calls(&alice).await;
    reoffer(&mut with_alice, sdp::reoffer(&mixer, &sdp::offer(&media()))).await;
    let mut with_carol = ours.calls(&carol).await;
    hang_up(&mut with_alice).await;
    hang_up(&mut with_carol).await;
    ours.finish([alice, carol]).await;
}

/// Who would join must be told that nobody joins here, and the call goes on.
pub async fn sipp_wants_to_join_us() {
    let mut ours = Ours::new().await;
    let alice = ours.called_by(
        "calls
         pause 500
         hangs up",
    );
    let mut with_alice = ours.answered().await;
    let carol = ours.called_by(
        "> INVITE sdp | Require: join | Join: spoken@example.org;to-tag=a;from-tag=b
         < 420 Unsupported:.join
         > ACK",
    );
    carol.was_content().await;
    hung_up(&mut with_alice).await;
    ours.nobody_calls();
    ours.finish([alice]).await;
}
