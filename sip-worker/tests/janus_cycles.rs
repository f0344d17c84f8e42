// SPDX-License-Identifier: MPL-2.0
//! Forty times into a room of Janus and out again: nothing piles up, here or there. A process of its
//! own, because it counts the threads and descriptors of the process.

use std::time::{Duration, Instant};

use sip_worker::demo::janus::{Janus, Options};
use sip_worker::sfu::{Participant, janus::Janus as Connector};
use sip_worker::webrtc::PeerConfig;
use sip_worker::webrtc::participant::{self, RoomParticipant};

const WARM_UP: usize = 10;
const CYCLES: usize = 40;
const SOON: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    memory_kib: u64,
}

fn holdings() -> std::io::Result<Holdings> {
    let count = |folder: &str| Ok::<_, std::io::Error>(std::fs::read_dir(folder)?.count());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let memory = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = memory.and_then(|m| m.split_whitespace().next()?.parse().ok());
    Ok(Holdings {
        descriptors: count("/proc/self/fd")?,
        threads: count("/proc/self/task")?,
        memory_kib: kib.ok_or(std::io::ErrorKind::InvalidData)?,
    })
}

/// Stopped pipelines let go of their threads a moment after they are dropped; nothing announces it.
async fn settled(most: impl Fn(&Holdings) -> bool) -> std::io::Result<Holdings> {
    let deadline = Instant::now() + SOON;
    loop {
        let now = holdings()?;
        if most(&now) || Instant::now() > deadline {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_piles_up() {
    gst::init().unwrap();
    let janus = Janus::start(Options::default()).await.unwrap();
    let sfu = Connector::new(janus.config("main"));
    let options = participant::Options {
        peer: PeerConfig {
            addresses: vec![janus.media()],
            ..PeerConfig::default()
        },
        ..participant::Options::default()
    };
    let named = |name: &str| Participant {
        id: name.to_owned(),
        name: name.to_owned(),
        ..Participant::default()
    };
    let witness = RoomParticipant::join(&sfu, "lobby", named("witness"), options.clone())
        .await
        .unwrap();

    let mut before = None;
    let mut slowest_leave = Duration::ZERO;
    for cycle in 0..WARM_UP + CYCLES {
        if cycle == WARM_UP {
            tokio::time::sleep(Duration::from_secs(1)).await;
            before = Some(holdings().unwrap());
        }
        let name = format!("guest-{cycle}");
        let guest = RoomParticipant::join(&sfu, "lobby", named(&name), options.clone())
            .await
            .unwrap();
        let (hears, heard) = tokio::join!(guest.hears("witness", SOON), witness.hears(&name, SOON));
        hears.unwrap();
        heard.unwrap();
        let leaving = Instant::now();
        // Either way out has to do.
        if cycle % 2 == 0 {
            guest.leave().await;
        } else {
            drop(guest);
        }
        let gone = witness
            .until("the guest leaving", SOON, |seen| {
                seen.person(&name).and_then(|p| p.left)
            })
            .await
            .unwrap();
        slowest_leave = slowest_leave.max(gone.saturating_duration_since(leaving));
    }
    let before = before.unwrap();
    let after =
        settled(|now| now.descriptors <= before.descriptors && now.threads <= before.threads)
            .await
            .unwrap();
    println!("before {before:?}, after {CYCLES} cycles {after:?}, slowest leave {slowest_leave:?}");
    assert!(slowest_leave < Duration::from_secs(1), "{slowest_leave:?}");
    assert!(
        after.descriptors <= before.descriptors,
        "{before:?} {after:?}"
    );
    assert!(after.threads <= before.threads, "{before:?} {after:?}");
}
