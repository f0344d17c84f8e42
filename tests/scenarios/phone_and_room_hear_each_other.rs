// SPDX-License-Identifier: MPL-2.0
//! A phone calls a number, talks in the room, and hears it. Then it hangs up.

use anyhow::{Context as _, Result};
use sip_worker::measure::compare;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene, open_house};
use sipbridge_tests::speech::Speech;
use std::time::{Duration, Instant};

#[test]
fn with_mu_law() -> Result<()> {
    call("phone_and_room_with_mu_law", "PCMU")
}

#[test]
fn with_a_law() -> Result<()> {
    call("phone_and_room_with_a_law", "PCMA")
}

#[test]
fn with_g722() -> Result<()> {
    call("phone_and_room_with_g722", "G722")
}

#[test]
fn with_opus() -> Result<()> {
    call("phone_and_room_with_opus", "opus")
}

fn call(scenario: &str, codec: &str) -> Result<()> {
    let scene = Scene::open(scenario, &open_house("at-once"))?;
    let host = scene.join("host")?;
    let (phone_says, room_says) = (Speech::phone()?, Speech::room()?);
    // The phone's file plays from the answer on and hangs up at its end: time to connect in front,
    // time for the room's longer words behind.
    let plays = phone_says.between(Duration::from_secs(3), Duration::from_secs(5));
    let mut phone = Baresip::start(
        scenario,
        &Options {
            codec,
            ..Options::new("phone", &plays)
        },
    )?;

    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    let heard = scene.wait(host.hears("phone", Duration::from_secs(3)))?;
    host.say(
        &room_says.wave,
        Instant::now() + Duration::from_millis(1_500),
    );
    phone.wait_closed(Duration::from_secs(30))?;
    host.sees_gone("phone", GONE_WITHIN)?;

    let room_heard = heard.recording.wave();
    let phone_heard = phone.into_heard().context("the phone's recording")?;
    phone_says.assert_heard_in(&room_heard, scenario, "phone to room")?;
    room_says.assert_heard_in(&phone_heard, scenario, "room to phone")?;

    // What these assertions are worth: nothing else passes for the right speech.
    assert!(
        !compare(&room_says.wave, &room_heard).is_good(),
        "the opposite direction"
    );
    assert!(
        !compare(&phone_says.wave, &phone_heard).is_good(),
        "an echo of oneself"
    );
    assert!(
        room_says.marker.find(&room_heard).is_none(),
        "the other marker"
    );
    assert!(
        Speech::phone()?.marker.find(&room_heard).is_none(),
        "a marker of another run"
    );
    Ok(())
}
