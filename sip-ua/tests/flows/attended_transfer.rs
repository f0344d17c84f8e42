// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.5: whoever transfers a call has spoken with the one it goes to: a call there takes the
//! place of theirs (Replaces).

use sip_ua::agent::TransferTo;

use crate::blind_transfer::{TELLS, sipp_transfers, target, transferred};
use crate::ours::{Ours, Peer, hang_up};

pub async fn we_transfer_sipp_to_whom_we_speak_with() {
    let ours = Ours::new().await;
    let carol = target("");
    let bob = Peer::waits(&format!(
        "is called
         < REFER Refer-To:.*Replaces=.*to-tag%3D.*from-tag%3D
         {TELLS}"
    ));
    let mut with_carol = ours.calls(&carol).await;
    let mut with_bob = ours.calls(&bob).await;
    let there = TransferTo::Call(with_carol.handle.id());
    with_bob.handle.transfer(there);
    transferred(&mut with_bob).await;
    hang_up(&mut with_carol).await;
    ours.finish([bob, carol]).await;
}

pub async fn sipp_transfers_us_to_whom_it_speaks_with() {
    let replaces = "spoken@example.org;to-tag=theirs;from-tag=ours";
    let target = target(&format!("Replaces:.{replaces}"));
    let escaped = "spoken%40example.org%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dours";
    let refer_to = format!("sip:carol@{}?Replaces={escaped}", target.addr());
    sipp_transfers(target, &refer_to, Some(replaces)).await;
}

pub async fn a_call_of_sipps_takes_the_place_of_another() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "calls
         > INVITE @2 sdp | Require: replaces | Replaces: [call_id];to-tag=[$remote_tag];from-tag=[call_number]s
         < 100 ?
         < 180
         < 200 m=audio
         > ACK
         is hung up
         is hung up",
    );
    let mut first = ours.answered_for_transfers().await;
    let mut second = ours.answered_in_place_of(&mut first).await;
    hang_up(&mut second).await;
    ours.finish([sipp]).await;
}
