// SPDX-License-Identifier: MPL-2.0
//! The SFU is killed in the middle of a call and does not come back: the phone hears comfort noise
//! for as long as the configuration has patience, and then the call ends with a reason.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::comfort;
use sipbridge_tests::scene::{NUMBER, Scene, Setup, open_house};
use std::time::{Duration, Instant};

const SCENARIO: &str = "sfu_dies";
const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn sfu_dies() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let setup = Setup {
        sfu: format!("patience = \"{}s\"", PATIENCE.as_secs()),
        ..Setup::default()
    };
    let mut scene = Scene::open_with(SCENARIO, &open_house("at-once"), setup)?;
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &says))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;

    let killed = Instant::now();
    scene.janus().kill()?;
    let away = scene
        .worker
        .until_call("is away", Duration::from_secs(1), |call| {
            call["away"].is_string()
        })?;
    ensure!(away["state"] == "active", "the call stays up: {away}");
    phone.wait_closed(PATIENCE + Duration::from_secs(5))?;
    let lasted = killed.elapsed();
    ensure!(
        lasted > PATIENCE && lasted < PATIENCE + Duration::from_secs(2),
        "its patience was {lasted:?}"
    );
    let ended = scene
        .worker
        .until_call("has ended", Duration::from_secs(2), |call| {
            call["state"] == "ended"
        })?;
    let why = ended["why"].as_str().context("it says why")?;
    ensure!(
        why.contains("not back within its patience of 3 s"),
        "the reason is {why:?}"
    );
    let goodbye = phone.trace();
    ensure!(
        goodbye.contains("Reason: SIP;cause=503;text=\"The room is unavailable\""),
        "the phone is told why: {goodbye}"
    );
    // The worker itself lives on.
    let (status, _) = scene.worker.ask("GET", "/v1/calls", None)?;
    ensure!(status == 200);
    comfort::assert_heard_at_the_end_of(&phone.into_heard()?, PATIENCE)
}
