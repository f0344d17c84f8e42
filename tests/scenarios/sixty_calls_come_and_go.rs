// SPDX-License-Identifier: MPL-2.0
//! Sixty calls, four at a time, into a room in which somebody watches: each is seen to join, and is
//! gone within a second of its hang-up. The worker ends with the descriptors and threads it began with.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sip_ua::agent::{Agent, AgentConfig, CallEvent, OutgoingCall};
use sip_ua::sdp::{self, Codec, LocalMedia};
use sip_ua::wire::{NameAddr, Uri};
use sip_worker::demo::janus::{Janus, Options as JanusOptions};
use sip_worker::sfu::{Participant, janus};
use sip_worker::webrtc::participant::{Options, RoomParticipant};
use sipbridge_tests::resources::Resources;
use sipbridge_tests::worker::Worker;

const SCENARIO: &str = "sixty_calls_come_and_go";
const ROOM: &str = "hall";
const WARM_UP: usize = 8;
const CALLS: usize = 60;
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);
const GONE_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_calls_come_and_go() -> Result<()> {
    gst::init()?;
    let sfu_process = Janus::start(JanusOptions::default()).await?;
    let tables = format!(
        "[[sfu]]\nname = \"main\"\nkind = \"janus\"\nurl = \"{}\"\nroom_create = true\n\n\
         [[trunk]]\nname = \"lab\"\nallow = [\"127.0.0.1/32\"]\n\n\
         [[route]]\nto = \"*\"\nroom = \"{ROOM}\"\nparticipant = \"{{from}}\"\nanswer = \"at-once\"\n",
        sfu_process.url()
    );
    let media = sfu_process.media();
    let start = move || Worker::start(SCENARIO, media, &tables);
    let worker = tokio::task::spawn_blocking(start).await??;

    let sfu = janus::Janus::new(sfu_process.config("watch"));
    let listens_to_nobody = Options {
        speaks: false,
        listens: false,
        ..Options::default()
    };
    let watcher = RoomParticipant::join(
        &sfu,
        ROOM,
        Participant {
            id: "watcher".to_owned(),
            name: "watcher".to_owned(),
            ..Participant::default()
        },
        listens_to_nobody,
    )
    .await?;
    let watcher = Arc::new(watcher);
    let (agent, _no_calls) = Agent::bind(AgentConfig::default()).await?;
    let target: Uri = worker
        .uri("hall")
        .parse()
        .ok()
        .context("the worker's URI")?;

    come_and_go(&agent, &target, &watcher, 0, WARM_UP).await?;
    let before = Resources::settled(worker.pid(), None).await?;
    come_and_go(&agent, &target, &watcher, WARM_UP, CALLS).await?;
    let after = Resources::settled(worker.pid(), Some(&before)).await?;
    println!("after {WARM_UP} calls:  {before}\nafter {CALLS} more: {after}");

    ensure!(
        after.descriptors <= before.descriptors && after.threads <= before.threads,
        "left behind: before {before}, after {after}"
    );
    agent.close(Duration::from_secs(2)).await;
    Ok(())
}

/// Calls `first..first + count`, [`AT_ONCE`] of them at any time.
async fn come_and_go(
    agent: &Agent,
    target: &Uri,
    watcher: &Arc<RoomParticipant>,
    first: usize,
    count: usize,
) -> Result<()> {
    let mut callers = tokio::task::JoinSet::new();
    for number in first..first + count {
        if callers.len() == AT_ONCE
            && let Some(ended) = callers.join_next().await
        {
            ended??;
        }
        let (agent, target, watcher) = (agent.clone(), target.clone(), watcher.clone());
        callers.spawn(async move {
            let name = format!("caller-{number:02}");
            one_call(&agent, target, &watcher, &name)
                .await
                .with_context(|| name)
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn one_call(agent: &Agent, to: Uri, watcher: &RoomParticipant, name: &str) -> Result<()> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let rtp = UdpSocket::bind((address, 0))?;
    let media = LocalMedia::new(address, rtp.local_addr()?.port(), vec![Codec::Pcmu]);
    let from: NameAddr = format!("<sip:{name}@127.0.0.1>")
        .parse()
        .ok()
        .context("a From header")?;
    let mut call = agent.dial(OutgoingCall {
        to,
        from,
        next_hop: None,
        headers: Vec::new(),
        offer: Some(sdp::offer(&media)),
        credentials: None,
        ring_timeout: PATIENCE,
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
            seen.is_here(name).then_some(())
        })
        .await?;
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
