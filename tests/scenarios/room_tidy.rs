// SPDX-License-Identifier: MPL-2.0
//! A room made for a call is destroyed when the last has left it, and not before.

use std::time::{Duration, Instant};

use sip_worker::sfu::Sfu;
use sipbridge_tests::janus::{Janus, Options};
use sipbridge_tests::room::{Connector, JanusConfig, called, connector};

#[tokio::test]
async fn an_empty_room_goes() {
    let janus = Janus::start(Options::default()).await.unwrap();
    let worker = connector(&janus);
    let visitor = Connector::new(JanusConfig {
        room_create: false,
        ..janus.config("visitor")
    });
    let caller = worker.join("call-1", called("caller")).await.unwrap();
    let guest = visitor.join("call-1", called("guest")).await.unwrap();
    caller.session.leave().await;
    // Longer than the rooms are left alone.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let second = visitor.join("call-1", called("second")).await;
    assert!(second.is_ok(), "the guest's room was taken away");
    drop((guest, second));

    let left = Instant::now();
    loop {
        match visitor.join("call-1", called("late")).await {
            Err(error) => {
                assert_eq!(error.sip_code(), 404);
                break;
            }
            Ok(joined) => joined.session.leave().await,
        }
        assert!(
            left.elapsed() < Duration::from_secs(10),
            "the empty room is still there"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
