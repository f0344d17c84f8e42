// SPDX-License-Identifier: MPL-2.0
//! The worker's WebSocket to Janus breaks while a phone speaks, and Janus keeps the session for a while: the worker
//! claims it, and nobody in the room hears or sees any of that. Who came meanwhile hears the phone, and is heard by it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::janus;
use sipbridge_tests::scene::{NUMBER, Scene, Setup, open_house};
use sipbridge_tests::speech::Speech;
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_session_is_claimed";
/// Longer than the worker's keep-alive, from which on Janus up to 1.3 counts.
const RECLAIM_S: u32 = 20;
const SOON: Duration = Duration::from_secs(5);
/// After the answer; what is to break breaks in the midst of this.
const SPEAKS_AT: Duration = Duration::from_secs(3);
const SPEAKS_FOR: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_secs(1);
const WORDS: Duration = Duration::from_secs(4);

#[test]
fn a_session_is_claimed() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let setup = Setup {
        detour: true,
        janus: janus::Options {
            reclaim_s: RECLAIM_S,
            ..janus::Options::default()
        },
        ..Setup::default()
    };
    let scene = Scene::open_with(SCENARIO, &open_house("at-once"), setup)?;
    let alice_says = Speech::stretch(PHONE_SPEECH, Duration::ZERO, SPEAKS_FOR)?;
    let late_says = Speech::stretch(ROOM_SPEECH, Duration::ZERO, WORDS)?;
    let lates_turn = SPEAKS_AT + SPEAKS_FOR + PAUSE;
    let plays = alice_says.between(SPEAKS_AT, late_says.wave.duration() + 2 * PAUSE);
    let watcher = scene.join("watcher")?;
    let mut alice = Baresip::start(SCENARIO, &Options::new("alice", &plays))?;
    alice.dial(&scene.worker.uri(NUMBER))?;
    alice.wait_established(Duration::from_secs(10))?;
    let answered = Instant::now();
    let heard = scene.wait(watcher.hears("alice", SOON))?;

    scene.pass(answered + SPEAKS_AT + PAUSE);
    scene.detour()?.fall_silent();
    let late = scene.join("late")?;
    scene.detour()?.mend();
    scene
        .worker
        .wait_for_line("the session at the SFU goes on by a new connection", SOON)?;
    scene
        .worker
        .until_call("hears who came meanwhile", SOON, |call| {
            let came = call.pointer("/media/room/heard/1/received/packets");
            came.and_then(Value::as_u64).is_some_and(|came| came > 0)
        })?;
    scene.wait(late.hears("alice", SOON))?;
    ensure!(answered.elapsed() < lates_turn, "all this took too long");
    late.say(&late_says.wave, answered + lates_turn);
    alice.wait_closed(Duration::from_secs(40))?;
    watcher.sees_gone("alice", SOON)?;

    let seen = watcher.seen();
    let times = seen.people.iter().filter(|one| one.who.name == "alice");
    ensure!(times.count() == 1, "alice left and came again: {seen:?}");
    let whole = heard.recording.wave();
    alice_says.assert_heard_in(&whole, SCENARIO, "alice to the room")?;
    let at_alice = alice.into_heard().context("a recording")?;
    late_says.assert_heard_in(&at_alice, SCENARIO, "who came meanwhile to alice")?;
    Ok(())
}
