// SPDX-License-Identifier: MPL-2.0
//! RFC 3725 §4.1: the offer is in the 200 and its answer in the ACK, as where a third party puts two
//! calls together.

use sip_ua::agent::{CallEvent, IncomingCall, OutgoingCall};
use sip_ua::sdp;

use crate::ours::{Ours, Peer, answer, expect, hang_up, hung_up, media, ringing, to};

pub async fn sipp_asks_for_our_offer() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(
        "> INVITE
         < 100 ?
         < 180
         < 200 m=audio
         > ACK sdp
         hangs up",
    );
    let IncomingCall {
        request, mut call, ..
    } = ours.call().await;
    assert!(request.body.is_empty());
    call.handle.ring(None);
    let offer = sdp::offer(&media());
    call.handle.accept(offer.clone());
    let event = expect(&mut call, |event| {
        matches!(event, CallEvent::Confirmed { .. })
    })
    .await;
    let CallEvent::Confirmed { sdp: Some(answer) } = event else {
        panic!("{event:?}");
    };
    sdp::accept_answer(&media(), &offer, &answer).unwrap();
    hung_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn we_ask_for_sipps_offer() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE
         > 180
         > 200 sdp
         < ACK m=audio
         is hung up",
    );
    let mut call = ours.agent.dial(OutgoingCall {
        offer: None,
        ..to(&sipp)
    });
    ringing(&mut call).await;
    let event = expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { .. })
    })
    .await;
    let CallEvent::Answered { sdp: Some(offer) } = event else {
        panic!("{event:?}");
    };
    call.handle.accept(answer(&offer));
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}
