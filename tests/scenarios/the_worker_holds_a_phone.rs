// SPDX-License-Identifier: MPL-2.0
//! The worker puts a phone on hold and takes it back: in between neither side hears the other, and
//! afterwards both hear again.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::worker::run_once;
use std::time::{Duration, Instant};

const SCENARIO: &str = "the_worker_holds_a_phone";
const SOON: Duration = Duration::from_secs(3);
const WORDS: Duration = Duration::from_secs(4);
/// In the phone's words: before the first, and between those on hold and those after it.
const BEFORE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_secs(4);

#[test]
fn the_worker_holds_a_phone_and_takes_it_back() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let host = scene.join("host")?;
    let second = |of: &[u8]| Speech::stretch(of, WORDS, WORDS);
    let first = |of: &[u8]| Speech::stretch(of, Duration::ZERO, WORDS);
    let (phone_held, phone_free) = (first(PHONE_SPEECH)?, second(PHONE_SPEECH)?);
    let (room_held, room_free) = (first(ROOM_SPEECH)?, second(ROOM_SPEECH)?);
    let mut plays = phone_held.between(BEFORE, PAUSE);
    plays.push(&phone_free.wave);
    plays.push(&Wave::silence(plays.rate_hz, WORDS + PAUSE));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &plays))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    let begins = Instant::now();
    let heard = scene.wait(host.hears("phone", SOON))?;
    let call = scene.worker.until_call("is active", SOON, active)?;
    let id = call["id"].as_str().context("a call has an id")?;
    ensure!(call["held"] == false && call["held_by_phone"] == false);

    let file = scene.worker.token_file().display().to_string();
    let url = scene.worker.url();
    let said = run_once(&["calls", "--hold", id, "--url", &url, "--token-file", &file])?;
    ensure!(said.status.success(), "{said:?}");
    scene
        .worker
        .until_call("is held", SOON, |call| call["held"] == true)?;
    host.say(&room_held.wave, Instant::now());
    // How long speech takes, not a guess at a delay.
    let held_over = BEFORE + phone_held.wave.duration() + PAUSE / 4;
    scene.pass(begins + held_over);
    let held = scene.worker.until_call("lasts", SOON, active)?;
    ensure!(
        held["held"] == true && held["held_by_phone"] == false,
        "{held}"
    );

    let path = format!("/v1/calls/{id}/unhold");
    let (status, answer) = scene.worker.ask("POST", &path, None)?;
    ensure!(status == 202, "{status} {answer}");
    scene
        .worker
        .until_call("is taken back", SOON, |call| call["held"] == false)?;
    let again = begins + BEFORE + phone_held.wave.duration() + PAUSE;
    host.say(&room_free.wave, again);
    scene.pass(again + phone_free.wave.duration() + PAUSE / 2);
    phone.hang_up()?;

    let in_room = heard.recording.wave();
    phone_free.assert_heard_in(&in_room, SCENARIO, "phone to room")?;
    ensure!(
        phone_held.marker.find(&in_room).is_none(),
        "a held phone was heard"
    );
    let at_phone = phone.into_heard()?;
    room_free.assert_heard_in(&at_phone, SCENARIO, "room to phone")?;
    ensure!(
        room_held.marker.find(&at_phone).is_none(),
        "a held phone heard the room"
    );
    Ok(())
}

fn active(call: &Value) -> bool {
    call["state"] == "active"
}
