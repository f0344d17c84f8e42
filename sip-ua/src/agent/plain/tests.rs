// SPDX-License-Identifier: MPL-2.0
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

const FLOW: FlowId = FlowId(7);
const SOON: Duration = Duration::from_secs(10);

/// More than a segment on loopback: with less the kernel waits for each piece to be taken.
const FITS: usize = 128 << 10;

/// Both ends of a connection through which little fits at once.
async fn narrow() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, theirs) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap().0);
    SockRef::from(&ours).set_send_buffer_size(FITS).unwrap();
    SockRef::from(&theirs).set_recv_buffer_size(FITS).unwrap();
    (ours, theirs)
}

async fn happening(plain: &mut Plain) -> Happening {
    let next = poll_fn(|cx| plain.poll_happening(cx));
    timeout(SOON, next).await.unwrap()
}

/// Four megabytes in packets whose place can be told from what they say.
fn packets() -> Vec<Packet> {
    let text = |n: usize| format!("{n:07} ").repeat(n % 100 + 1);
    (0..10_000).map(|n| text(n).into_bytes().into()).collect()
}

/// A connection that more is to be written to than fits, its far end, and what that should hear.
async fn spoken_to() -> (Plain, TcpStream, Vec<u8>) {
    let (ours, theirs) = narrow().await;
    let mut plain = Plain::new();
    plain.adopt(FLOW, ours);
    let packets = packets();
    let whole = packets.concat();
    for packet in packets {
        plain.write(FLOW, packet);
    }
    (plain, theirs, whole)
}

#[tokio::test]
async fn a_far_end_that_reads_late_gets_everything_in_order() {
    let (mut plain, mut theirs, whole) = spoken_to().await;
    plain.write_out(Instant::now());
    assert!(plain.poll_timeout().is_some(), "it does not take all of it");
    let mut heard = vec![0; whole.len()];
    let reading = async {
        let read = timeout(SOON, theirs.read_exact(&mut heard));
        read.await.unwrap().unwrap();
        theirs.write_all(b"thanks").await.unwrap();
    };
    let (said, ()) = tokio::join!(happening(&mut plain), reading);
    assert!(matches!(said, Happening::Received(FLOW, octets) if octets == b"thanks"));
    assert!(heard == whole);
    let written: usize = plain.written().map(|(_, octets)| octets).sum();
    assert_eq!(written, whole.len());
    plain.handle_timeout(Instant::now());
    assert_eq!(plain.poll_timeout(), None);
}

#[tokio::test]
async fn a_far_end_that_never_reads_is_given_up() {
    let (mut plain, _theirs, _) = spoken_to().await;
    let now = Instant::now();
    plain.write_out(now);
    // What it takes at first is progress.
    let until = plain.poll_timeout().unwrap();
    plain.handle_timeout(until - Duration::from_millis(1));
    assert!(plain.has(FLOW));
    plain.handle_timeout(until);
    let Happening::Closed(FLOW, why) = happening(&mut plain).await else {
        panic!("it is still there");
    };
    assert_eq!(why, "the far end does not read what it is sent");
    assert!(!plain.has(FLOW) && plain.poll_timeout().is_none());
}

#[tokio::test]
async fn what_was_said_before_the_end_is_written() {
    let (mut plain, mut theirs, whole) = spoken_to().await;
    plain.close(Instant::now(), FLOW);
    assert!(plain.has(FLOW), "there is more to write");
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(
        timeout(SOON, plain.farewell()),
        theirs.read_to_end(&mut heard)
    );
    read.unwrap();
    assert!(heard == whole && !plain.has(FLOW));
}

/// More of them have something to say than a task of the runtime's may look at in one turn.
#[tokio::test]
async fn each_of_a_crowd_is_heard_and_its_end_told() {
    const CROWD: u64 = 300;
    let mut plain = Plain::new();
    let mut far = Vec::new();
    for n in 0..CROWD {
        let (ours, mut theirs) = narrow().await;
        plain.adopt(FlowId(n), ours);
        theirs.write_all(&n.to_be_bytes()).await.unwrap();
        far.push(theirs);
    }
    let mut heard: Vec<u64> = Vec::new();
    while heard.len() < CROWD as usize {
        let Happening::Received(FlowId(flow), octets) = happening(&mut plain).await else {
            panic!("none is closed");
        };
        assert_eq!(octets, flow.to_be_bytes());
        heard.push(flow);
    }
    heard.sort_unstable();
    assert!(heard.iter().copied().eq(0..CROWD));
    drop(far);
    for _ in 0..CROWD {
        let Happening::Closed(flow, _) = happening(&mut plain).await else {
            panic!("nobody says anything more");
        };
        plain.close(Instant::now(), flow);
    }
    assert!(plain.connections.is_empty());
}
