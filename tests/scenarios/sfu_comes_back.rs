// SPDX-License-Identifier: MPL-2.0
//! Two phones are in a room. First the worker's WebSocket to the SFU breaks, then the SFU is killed and
//! started anew: each time the calls stay up, the phones hear comfort noise meanwhile, and within three seconds
//! both are in their room again, hear it and are heard there. Afterwards everybody hears everybody.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::comeback::{AWAY, Afterwards, BACK_WITHIN, Outage};
use sipbridge_tests::scene::{NUMBER, Scene, Setup, open_house};
use sipbridge_tests::worker::room_is_heard;
use std::time::{Duration, Instant};

const SCENARIO: &str = "sfu_comes_back";
const CUT_FOR: Duration = Duration::from_secs(2);
/// After the answer. Everything that is to break has broken, and is whole again.
const SPEAKS_AT: Duration = Duration::from_secs(19);
/// What is still on its way when something breaks or is mended, and what the answers lie apart.
const MARGIN: Duration = Duration::from_millis(700);

#[test]
fn sfu_comes_back() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let setup = Setup {
        detour: true,
        ..Setup::default()
    };
    let mut scene = Scene::open_with(SCENARIO, &open_house("at-once"), setup)?;
    let afterwards = Afterwards::new(SCENARIO, SPEAKS_AT)?;
    let phone = |name, codec, says: &Wave| {
        let options = Options {
            codec,
            ..Options::new(name, says)
        };
        Baresip::start(SCENARIO, &options)
    };
    let mut alice = phone("alice", "PCMU", &afterwards.alice_plays())?;
    let mut bob = phone("bob", "opus", &afterwards.listener_plays())?;
    for phone in [&mut alice, &mut bob] {
        phone.dial(&scene.worker.uri(NUMBER))?;
    }
    alice.wait_established(Duration::from_secs(10))?;
    let answered = Instant::now();
    bob.wait_established(Duration::from_secs(10))?;

    let mut outages = Vec::new();
    {
        let watcher = scene.join("watcher")?;
        for name in ["alice", "bob"] {
            watcher.sees(name, Duration::from_secs(3))?;
        }
        outages.push(away_and_back(&scene, || {
            let detour = scene.detour()?;
            detour.cut();
            for name in ["alice", "bob"] {
                watcher.sees_gone(name, Duration::from_secs(2))?;
            }
            std::thread::sleep(CUT_FOR);
            detour.mend();
            Ok(())
        })?);
        for name in ["alice", "bob"] {
            watcher.sees(name, Duration::from_millis(500))?;
        }
    }
    // The watcher is gone, and nobody but the phones is there.
    let began = Instant::now();
    scene.janus().kill()?;
    std::thread::sleep(AWAY);
    scene.restart_janus()?;
    let over = Instant::now();
    let host = scene.join("host")?;
    until_all_are_back(&scene, over)?;
    println!("back {:?} after the SFU's return", over.elapsed());
    outages.push(Outage { began, over });
    let mut heard_in_room = None;
    for name in ["alice", "bob"] {
        let patience = BACK_WITHIN.saturating_sub(over.elapsed());
        let heard = scene.wait(host.hears(name, patience))?;
        heard_in_room.get_or_insert(heard);
    }
    afterwards.host_answers(&host, answered)?;
    alice.wait_closed(Duration::from_secs(40))?;
    bob.wait_closed(Duration::from_secs(10))?;

    let heard_in_room = heard_in_room.context("somebody was heard")?;
    afterwards.assert_room_heard(&heard_in_room.recording.wave())?;
    let (at_alice, at_bob) = (alice.into_heard()?, bob.into_heard()?);
    afterwards.assert_alice_heard(&at_alice)?;
    afterwards.assert_listener_heard(&at_bob, "bob")?;
    for outage in outages {
        outage.assert_bridged(&at_alice, answered, MARGIN)?;
        outage.assert_bridged(&at_bob, answered, 2 * MARGIN)?;
    }
    afterwards.assert_noise_is_over(&at_alice, MARGIN)
}

/// Lets `happen` break and mend something, and waits until all calls are back.
fn away_and_back(scene: &Scene, happen: impl FnOnce() -> Result<()>) -> Result<Outage> {
    let began = Instant::now();
    happen()?;
    let over = Instant::now();
    until_all_are_back(scene, over)?;
    println!("back {:?} after it was mended", over.elapsed());
    Ok(Outage { began, over })
}

/// Waits until all calls are in their room, and something of it comes to them.
fn until_all_are_back(scene: &Scene, over: Instant) -> Result<()> {
    let patience = BACK_WITHIN.saturating_sub(over.elapsed());
    let whole = |call: &Value| call["away"].is_null() && room_is_heard(call);
    let calls = scene
        .worker
        .until_calls("are back and hear", patience, |calls| {
            calls.iter().all(whole)
        })?;
    ensure!(
        calls.iter().all(|call| call["state"] == "active"),
        "a call ended: {calls:?}"
    );
    Ok(())
}
