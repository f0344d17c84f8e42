// SPDX-License-Identifier: MPL-2.0
//! Two phones are in a room. First the worker's WebSocket to the SFU breaks, then the SFU is killed and
//! started anew: each time the calls stay up, the phones hear comfort noise meanwhile, and both are
//! in their room again within three seconds. Afterwards everybody hears everybody.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::comfort;
use sipbridge_tests::scene::{NUMBER, Scene, Setup, open_house};
use sipbridge_tests::speech::Speech;
use std::time::{Duration, Instant};

const SCENARIO: &str = "sfu_comes_back";
const BACK_WITHIN: Duration = Duration::from_secs(3);
const CUT_FOR: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_secs(5);
/// After the answer. Everything that is to break has broken, and is whole again.
const SPEAKS_AT: Duration = Duration::from_secs(19);
const WORDS: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_secs(1);
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
    let alice_says = Speech::stretch(PHONE_SPEECH, Duration::ZERO, WORDS)?;
    let host_says = Speech::stretch(ROOM_SPEECH, Duration::ZERO, WORDS)?;
    let turn = alice_says.wave.duration() + PAUSE;
    let phone = |name, codec, says: &Wave| {
        let options = Options {
            codec,
            ..Options::new(name, says)
        };
        Baresip::start(SCENARIO, &options)
    };
    let mut alice = phone(
        "alice",
        "PCMU",
        &alice_says.between(SPEAKS_AT, turn + PAUSE),
    )?;
    let silence = Wave::silence(48_000, SPEAKS_AT + turn * 2 + PAUSE);
    let mut bob = phone("bob", "opus", &silence)?;
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
    let killed = Instant::now();
    scene.janus().kill()?;
    std::thread::sleep(AWAY);
    scene.restart_janus()?;
    let restarted = Instant::now();
    until_all_are_back(&scene)?;
    println!("back {:?} after the SFU's return", restarted.elapsed());
    outages.push((killed, restarted));

    let host = scene.join("host")?;
    let mut heard_in_room = None;
    for name in ["alice", "bob"] {
        let heard = scene.wait(host.hears(name, Duration::from_secs(3)))?;
        heard_in_room.get_or_insert(heard);
    }
    ensure!(
        answered.elapsed() < SPEAKS_AT,
        "all this took {:?}, and Alice speaks already",
        answered.elapsed()
    );
    host.say(&host_says.wave, answered + SPEAKS_AT + turn);
    alice.wait_closed(Duration::from_secs(40))?;
    bob.wait_closed(Duration::from_secs(10))?;

    let in_room = heard_in_room
        .context("somebody was heard")?
        .recording
        .wave();
    alice_says.assert_heard_in(&in_room, SCENARIO, "alice to the room")?;
    let (at_alice, at_bob) = (alice.into_heard()?, bob.into_heard()?);
    let last_words = |heard: &Wave, from| heard.slice(SPEAKS_AT + from, heard.duration());
    alice_says.assert_heard_in(
        &last_words(&at_bob, Duration::ZERO),
        SCENARIO,
        "alice to bob",
    )?;
    host_says.assert_heard_in(
        &last_words(&at_bob, turn - PAUSE),
        SCENARIO,
        "the room to bob",
    )?;
    host_says.assert_heard_in(
        &last_words(&at_alice, turn - PAUSE),
        SCENARIO,
        "the room to alice",
    )?;
    ensure!(
        alice_says.marker.find(&at_alice).is_none(),
        "Alice hears herself"
    );
    for (began, over) in outages {
        let (from, to) = (began - answered + MARGIN, over - answered);
        comfort::assert_is(&at_alice.slice(from, to))?;
        comfort::assert_is(&at_bob.slice(from + MARGIN, to))?;
    }
    comfort::assert_is_over(&at_alice.slice(SPEAKS_AT - MARGIN, SPEAKS_AT))
}

/// Lets `happen` break and mend something, and waits until all calls are back. Returns from when to
/// when it was broken.
fn away_and_back(scene: &Scene, happen: impl FnOnce() -> Result<()>) -> Result<(Instant, Instant)> {
    let began = Instant::now();
    happen()?;
    let over = Instant::now();
    until_all_are_back(scene)?;
    println!("back {:?} after it was mended", over.elapsed());
    Ok((began, over))
}

fn until_all_are_back(scene: &Scene) -> Result<()> {
    let calls = scene.worker.until_calls("are back", BACK_WITHIN, |calls| {
        calls.iter().all(|call| call["away"].is_null())
    })?;
    ensure!(
        calls.iter().all(|call| call["state"] == "active"),
        "a call ended: {calls:?}"
    );
    Ok(())
}
