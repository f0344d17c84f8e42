// SPDX-License-Identifier: MPL-2.0
//! Far ends that speak something else, or nothing, while a call is up.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Connects, says this, and reads until the end.
async fn says(to: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // It may have been closed on the way.
    let _ = stream.write_all(octets).await;
    let mut heard = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut heard))
        .await
        .expect("it is closed");
    heard
}

#[tokio::test]
async fn rubbish_and_plain_sip_are_told_nothing_but_that_it_is_not_tls() {
    let authority = Authority::new();
    let (bob, mut calls) = bob(load(authority.signs("bob.example"))).await;
    let alice = alice(authority.believer()).await;
    let addr = bob.local_addr();
    let (mut ours, theirs) = up(&alice, to("bob.example", addr), &mut calls).await;
    let options = b"OPTIONS sip:bob@bob.example SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1\r\n\r\n";
    let rubbish: Vec<u8> = (0..50_000_u32).map(|n| ((n * 7919) >> 3) as u8).collect();
    // A record that claims to be a handshake of the greatest length, and never is.
    let endless = [&[22, 3, 1, 0x3f, 0xff][..], &[1; 20_000]].concat();
    for octets in [&options[..], &rubbish, &endless, b"\r\n\r\n", &[0; 4]] {
        let heard = says(addr, octets).await;
        assert!(!heard.windows(3).any(|part| part == b"SIP"), "{heard:?}");
    }
    until(&bob, |stats| stats.connections == 1).await;
    theirs.call.handle.reoffer(b"v=0 again".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Reoffer { .. }));
}

#[tokio::test]
async fn a_crowd_that_stalls_keeps_nobody_out() {
    let authority = Authority::new();
    let (bob, mut calls) = bob(load(authority.signs("bob.example"))).await;
    let alice = alice(authority.believer()).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(bob.local_addr()).await.unwrap());
    }
    up(&alice, to("bob.example", bob.local_addr()), &mut calls).await;
    // As many as may be at it, and the call.
    until(&bob, |stats| stats.connections <= 65).await;
}
