// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.7: the media of a call move to another port.

use sip_ua::sdp::{self, LocalMedia};

use crate::ours::{Ours, PORT, Peer, answer, hang_up, hung_up, media, reoffer, reoffered};

pub async fn sipp_moves() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "calls
         > INVITE moved
         < 100 ?
         < 200 m=audio
         > ACK
         hangs up",
    );
    let mut call = ours.answered().await;
    let offer = reoffered(&mut call).await;
    let (_, agreed) = sdp::answer(&media(), &offer).unwrap();
    assert_eq!(agreed.remote_rtp.port(), 6100);
    call.handle.answer_reoffer(Ok(answer(&offer)));
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn we_move() {
    let ours = Ours::new().await;
    let moved = LocalMedia {
        rtp_port: PORT + 2,
        ..media()
    };
    let sipp = Peer::waits(&format!(
        "is called
         < INVITE {}
         > 200 sdp
         < ACK
         is hung up",
        PORT + 2
    ));
    let mut call = ours.calls(&sipp).await;
    let first = sdp::offer(&media());
    reoffer(&mut call, sdp::reoffer(&moved, &first)).await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}
