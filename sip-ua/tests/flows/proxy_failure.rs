// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.4: the first proxy says nothing at all, and the second one has the call.

use std::net::UdpSocket;

use sip_ua::agent::{CallEvent, Hop, OutgoingCall, Transport};

use crate::ours::{Ours, Peer, expect, hang_up, ringing, to};

pub async fn one_says_nothing_and_sipp_answers() {
    let ours = Ours::new().await;
    // sipp would be no proxy yet when it is called first, and a port that nobody holds says so.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let proxy = Peer::waits(
        "is called
         is hung up",
    );
    let hops = [silent.local_addr().unwrap(), proxy.addr()];
    let mut call = ours.agent.dial(OutgoingCall {
        next_hops: hops.map(|addr| Hop::new(Transport::Udp, addr)).to_vec(),
        ..to(&proxy)
    });
    ringing(&mut call).await;
    expect(&mut call, |event| {
        matches!(event, CallEvent::Answered { sdp: Some(_) })
    })
    .await;
    hang_up(&mut call).await;
    ours.finish([proxy]).await;
    let mut asked = [0; 6];
    // What does not fit is left out.
    silent.recv(&mut asked).unwrap();
    assert_eq!(&asked, b"INVITE");
    // It was passed over before anybody asks twice.
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut asked).is_err());
}
