// SPDX-License-Identifier: MPL-2.0
//! Whoever ends the call, and however: the other side learns of it and the caller leaves the room.

use anyhow::Result;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene, Somebody, open_house};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(2);

fn in_a_call(scenario: &str, end: impl FnOnce(&mut Baresip, &Scene) -> Result<()>) -> Result<()> {
    let scene = Scene::open(scenario, &open_house("at-once"))?;
    let host = scene.join("host")?;
    let mut phone = connected(scenario, &scene, &host)?;
    end(&mut phone, &scene)?;
    phone.wait_closed(SOON)?;
    host.sees_gone("phone", GONE_WITHIN)?;
    scene
        .worker
        .until_call("has ended", SOON, |call| call["state"] == "ended")?;
    Ok(())
}

fn connected(scenario: &str, scene: &Scene, host: &Somebody<'_>) -> Result<Baresip> {
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let mut phone = Baresip::start(scenario, &Options::new("phone", &says))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    host.sees("phone", SOON)?;
    Ok(phone)
}

#[test]
fn the_phone_hangs_up() -> Result<()> {
    in_a_call("the_phone_hangs_up", |phone, _| phone.hang_up())
}

#[test]
fn the_worker_hangs_up() -> Result<()> {
    in_a_call("the_worker_hangs_up", |_, scene| {
        let call = scene
            .worker
            .until_call("is up", SOON, |call| call["state"] != "ended")?;
        let path = format!("/v1/calls/{}", call["id"].as_str().unwrap_or_default());
        let (status, answer) = scene.worker.ask("DELETE", &path, None)?;
        assert!((200..300).contains(&status), "{status} {answer}");
        Ok(())
    })
}

#[test]
fn the_worker_is_stopped() -> Result<()> {
    let scenario = "the_worker_is_stopped";
    let mut scene = Scene::open(scenario, &open_house("at-once"))?;
    let mut phone = {
        let host = scene.join("host")?;
        connected(scenario, &scene, &host)?
    };
    let status = scene.worker.process().terminate()?;
    assert!(
        status.success(),
        "SIGTERM ends the worker in order: {status}"
    );
    phone.wait_closed(SOON)?;
    // Nobody is left behind in the room.
    let host = scene.join("late")?;
    assert!(!host.seen().is_here("phone"));
    Ok(())
}
