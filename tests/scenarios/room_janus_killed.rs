// SPDX-License-Identifier: MPL-2.0
//! Janus dies: everybody is told at once and why, and when it is back the next call gets in.

use std::time::{Duration, Instant};

use sip_worker::sfu::{Sfu, SfuEvent};
use sipbridge_tests::janus::{Janus, Options};
use sipbridge_tests::room::{called, connector};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn those_in_a_room_are_told_and_the_next_gets_in_again() {
    let mut janus = Janus::start(Options::default()).await.unwrap();
    let sfu = connector(&janus);
    let mut ann = sfu.join("lobby", called("ann")).await.unwrap();

    let killed = Instant::now();
    janus.kill().unwrap();
    let told = async {
        loop {
            match ann.events.recv().await {
                Some(SfuEvent::Lost(reason)) => return reason,
                Some(_) => {}
                None => panic!("the events ended without a reason"),
            }
        }
    };
    let reason = tokio::time::timeout(SOON, told).await.unwrap();
    println!("told after {:?}: {reason}", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(1));
    assert!(!reason.is_empty());
    assert!(
        ann.events.recv().await.is_none(),
        "nothing follows the loss"
    );
    let down = sfu
        .join("lobby", called("bob"))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(down.sip_code(), 503);
    ann.session.leave().await;

    janus.restart().await.unwrap();
    let back = Instant::now();
    let joined = loop {
        match sfu.join("lobby", called("bob")).await {
            Ok(joined) => break joined,
            Err(e) if back.elapsed() > SOON => panic!("still not: {e}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    println!("in again after {:?}", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(3));
    assert_eq!(joined.session.me().0, "bob");
}
