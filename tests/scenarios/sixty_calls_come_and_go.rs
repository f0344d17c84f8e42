// SPDX-License-Identifier: MPL-2.0
//! Sixty calls, four at a time, into a room in which somebody watches: each is seen to join and is
//! connected, and is gone within a second of its hang-up. The worker ends with the descriptors and
//! threads it began with, and says how much memory it kept.
//!
//! One at a time comes or goes. Where several did within milliseconds, Janus 1.1.2 itself came to its
//! end about once in ten thousand calls: it takes the subscriptions to one who leaves away while their
//! owner, who leaves too, frees them (`janus_videoroom_hangup_media`).

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sip_ua::agent::{Agent, AgentConfig, CallEvent, OutgoingCall};
use sip_ua::sdp::{self, Codec, LocalMedia};
use sip_ua::wire::{NameAddr, Uri};
use sip_worker::webrtc::participant::RoomParticipant;
use sipbridge_tests::resources::Resources;
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene, open_house};
use tokio::sync::Mutex;

const WARM_UP: usize = 8;
const CALLS: usize = 60;
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn sixty_calls_come_and_go() -> Result<()> {
    let scene = Scene::open("sixty_calls_come_and_go", &open_house("at-once"))?;
    let watcher = scene.join("watcher")?;
    let target: Uri = scene
        .worker
        .uri(NUMBER)
        .parse()
        .ok()
        .context("the worker's URI")?;
    scene.wait(async {
        let (agent, _nobody_calls) = Agent::bind(AgentConfig::default()).await?;
        let pid = scene.worker.pid();

        come_and_go(&agent, &target, &watcher, 0..WARM_UP).await?;
        let before = Resources::settled(pid, None).await?;
        come_and_go(&agent, &target, &watcher, WARM_UP..WARM_UP + CALLS).await?;
        let after = Resources::settled(pid, Some(&before)).await?;

        println!("after {WARM_UP} calls:  {before}\nafter {CALLS} more: {after}");
        ensure!(
            after.descriptors <= before.descriptors && after.threads <= before.threads,
            "left behind: {before} before, {after} after"
        );
        agent.close(Duration::from_secs(2)).await;
        Ok(())
    })
}

/// These calls, [`AT_ONCE`] of them at any time.
async fn come_and_go(
    agent: &Agent,
    target: &Uri,
    watcher: &RoomParticipant,
    numbers: std::ops::Range<usize>,
) -> Result<()> {
    let door = &Mutex::new(());
    let lane = |first: usize| {
        let numbers = numbers.clone().skip(first).step_by(AT_ONCE);
        async move {
            for number in numbers {
                let name = format!("caller-{number:02}");
                one_call(agent, target, watcher, door, &name)
                    .await
                    .with_context(|| name)?;
            }
            anyhow::Ok(())
        }
    };
    let lanes: [_; AT_ONCE] = [lane(0), lane(1), lane(2), lane(3)];
    let [a, b, c, d] = lanes;
    tokio::try_join!(a, b, c, d)?;
    Ok(())
}

async fn one_call(
    agent: &Agent,
    target: &Uri,
    watcher: &RoomParticipant,
    door: &Mutex<()>,
    name: &str,
) -> Result<()> {
    let at_the_door = door.lock().await;
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let rtp = UdpSocket::bind((address, 0))?;
    let media = LocalMedia::new(address, rtp.local_addr()?.port(), vec![Codec::Pcmu]);
    let from: NameAddr = format!("<sip:{name}@127.0.0.1>")
        .parse()
        .ok()
        .context("a From header")?;
    let mut call = agent.dial(OutgoingCall {
        offer: Some(sdp::offer(&media)),
        ring_timeout: PATIENCE,
        ..OutgoingCall::new(target.clone(), from)
    });
    loop {
        match tokio::time::timeout(PATIENCE, call.events.recv()).await? {
            Some(CallEvent::Answered { .. }) => break,
            Some(CallEvent::Ended(end)) => bail!("not answered: {end}"),
            Some(_) => {}
            None => bail!("no more events"),
        }
    }
    watcher
        .until(&format!("{name} joins"), PATIENCE, |seen| {
            let connected = seen.heard_of(name).is_some_and(|heard| heard.connected);
            (connected && seen.is_here(name)).then_some(())
        })
        .await?;
    drop(at_the_door);
    // Whoever waits at the door goes first.
    let _at_the_door = door.lock().await;
    let hung_up_at = Instant::now();
    call.handle.hangup(None);
    let left = watcher
        .until(&format!("{name} leaves"), PATIENCE, |seen| {
            seen.person(name).and_then(|person| person.left)
        })
        .await?;
    let gone_after = left.saturating_duration_since(hung_up_at);
    ensure!(gone_after <= GONE_WITHIN, "gone only after {gone_after:?}");
    Ok(())
}
