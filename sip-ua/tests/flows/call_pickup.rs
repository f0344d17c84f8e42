// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.16: a telephone rings, and somebody else answers at theirs, whose call takes the place of the
//! one that rings.

use sip_ua::agent::EndCause;

use crate::ours::{Ours, Peer, hung_up, replacing, ringing, to};

pub async fn sipp_picks_up_our_call() {
    let mut ours = Ours::new().await;
    let bob = Peer::waits(
        "< INVITE m=audio
         > 180
         < CANCEL
         > 200
         > 487 INVITE
         < ACK",
    );
    let mut with_bob = ours.agent.dial(to(&bob));
    with_bob.handle.permit_transfers(true);
    ringing(&mut with_bob).await;
    let bill = ours.called_by(&format!(
        "calls | {};early-only
         hangs up",
        replacing(&with_bob)
    ));
    let mut with_bill = ours.answered_in_place_of(&mut with_bob).await;
    hung_up(&mut with_bill).await;
    ours.finish([bob, bill]).await;
}

/// What was answered is nobody's to pick up.
pub async fn sipp_comes_too_late() {
    let mut ours = Ours::new().await;
    let bob = Peer::waits(
        "is called
         is hung up",
    );
    let mut with_bob = ours.calls(&bob).await;
    with_bob.handle.permit_transfers(true);
    let bill = ours.called_by(&format!(
        "> INVITE sdp | {};early-only
         < 486
         > ACK",
        replacing(&with_bob)
    ));
    bill.was_content().await;
    ours.nobody_calls();
    with_bob.handle.hangup(None);
    assert_eq!(
        crate::ours::ended(&mut with_bob).await.cause,
        EndCause::HungUp
    );
    ours.finish([bob]).await;
}
