// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.4: a call is transferred, and whoever transfers it does not wait to see who answers.

use sip_ua::agent::{Call, CallEvent, EndCause, Transfer, TransferTo};

use crate::ours::{Ours, Peer, ended, expect, hang_up, hung_up, ringing, to};

/// What whoever is transferred tells of it, and hears in the end.
pub const TELLS: &str = "> 202
     > NOTIFY frag:100 | Event: refer | Subscription-State: active;expires=60
     < 200
     > NOTIFY frag:180 | Event: refer | Subscription-State: active;expires=60
     < 200
     > NOTIFY frag:200 | Event: refer | Subscription-State: terminated;reason=noresource
     < 200
     is hung up";

/// The transfer succeeds, and the call is hung up.
pub async fn transferred(call: &mut Call) {
    for wanted in [
        |told: &Transfer| matches!(told, Transfer::Accepted { .. }),
        |told: &Transfer| matches!(told, Transfer::Progress { status: 100, .. }),
        |told: &Transfer| matches!(told, Transfer::Progress { status: 180, .. }),
        |told: &Transfer| matches!(told, Transfer::Succeeded { status: 200, .. }),
    ] {
        expect(
            call,
            |event| matches!(event, CallEvent::Transfer(told) if wanted(told)),
        )
        .await;
    }
    assert_eq!(ended(call).await.cause, EndCause::Transferred);
}

pub async fn we_transfer_sipp() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(&format!(
        "is called
         < REFER sip:carol@example.org
         {TELLS}"
    ));
    let mut call = ours.calls(&sipp).await;
    let carol = "sip:carol@example.org".parse().unwrap();
    call.handle.transfer(TransferTo::Uri(carol));
    transferred(&mut call).await;
    ours.finish([sipp]).await;
}

/// sipp answers a call in which these words stand, and is hung up.
pub fn target(words: &str) -> Peer {
    Peer::waits(&format!(
        "< INVITE m=audio {words}
         > 180
         > 200 sdp
         < ACK
         is hung up"
    ))
}

/// sipp transfers us to another sipp, by this Refer-To.
pub async fn sipp_transfers(target: Peer, refer_to: &str, replaces: Option<&str>) {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(&format!(
        "calls
         > REFER | Refer-To: <{refer_to}> | Referred-By: <sip:sipp@example.org>
         < 202
         < NOTIFY 100
         > 200
         < NOTIFY 200 terminated
         > 200
         hangs up"
    ));
    let mut call = ours.answered_for_transfers().await;
    let event = expect(&mut call, |event| {
        matches!(event, CallEvent::TransferRequested(_))
    })
    .await;
    let CallEvent::TransferRequested(request) = event else {
        panic!("{event:?}");
    };
    call.handle.answer_transfer(Ok(()));
    assert_eq!(
        request.to.to_string(),
        format!("sip:carol@{}", target.addr())
    );
    let referred_by = request.referred_by.expect("who transfers us");
    let mut there = to(&target);
    there.headers.push(("Referred-By".to_owned(), referred_by));
    let asked = request.replaces.map(|replaces| replaces.to_bytes());
    assert_eq!(asked.as_deref(), replaces.map(str::as_bytes));
    there
        .headers
        .extend(asked.map(|replaces| ("Replaces".to_owned(), replaces)));
    let mut there = ours.agent.dial(there);
    ringing(&mut there).await;
    expect(&mut there, |event| {
        matches!(event, CallEvent::Answered { .. })
    })
    .await;
    call.handle.notify_transfer(200, None);

    hung_up(&mut call).await;
    hang_up(&mut there).await;
    ours.finish([sipp, target]).await;
}

pub async fn sipp_transfers_us() {
    let target = target("Referred-By:");
    let refer_to = format!("sip:carol@{}", target.addr());
    sipp_transfers(target, &refer_to, None).await;
}
