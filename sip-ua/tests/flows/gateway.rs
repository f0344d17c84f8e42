// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.5: an application level gateway stands in the path of a call, and its media pass another
//! address than its messages do.

use sip_ua::agent::{CallEvent, IncomingCall};
use sip_ua::sdp;

use crate::ours::{Ours, Peer, expect, hang_up, media, ringing, to};

const GATEWAY: &str = "Record-Route: <sip:gateway@[local_ip]:[local_port];lr>";
const ITS_MEDIA: &str = "192.0.2.77:6000";

pub async fn sipp_calls_through_it() {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(&format!(
        "> INVITE elsewhere | {GATEWAY}
         < 100 ?
         < 200 m=audio
         > ACK
         < BYE Route:.<sip:gateway@
         > 200"
    ));
    let IncomingCall {
        request, mut call, ..
    } = ours.call().await;
    let (answer, agreed) = sdp::answer(&media(), &request.body).unwrap();
    assert_eq!(agreed.remote_rtp.to_string(), ITS_MEDIA);
    call.handle.accept(answer);
    expect(&mut call, |event| {
        matches!(event, CallEvent::Confirmed { .. })
    })
    .await;
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}

pub async fn we_call_through_it() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(&format!(
        "< INVITE m=audio
         > 180 | {GATEWAY}
         > 200 elsewhere | {GATEWAY}
         < ACK Route:.<sip:gateway@
         < BYE Route:.<sip:gateway@
         > 200"
    ));
    let call = to(&sipp);
    let offer = call.offer.clone().expect("an offer");
    let mut call = ours.agent.dial(call);
    ringing(&mut call).await;
    let event = expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { .. })
    })
    .await;
    let CallEvent::Answered { sdp: Some(answer) } = event else {
        panic!("{event:?}");
    };
    let agreed = sdp::accept_answer(&media(), &offer, &answer).unwrap();
    assert_eq!(agreed.remote_rtp.to_string(), ITS_MEDIA);
    hang_up(&mut call).await;
    ours.finish([sipp]).await;
}
