// SPDX-License-Identifier: MPL-2.0
//! A negative control of all that asserts on audio: a muted phone must fail those assertions.

use anyhow::{Context as _, Result};
use sip_worker::measure::{Fault, Thresholds, compare};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use sipbridge_tests::speech::Speech;
use std::time::Duration;

const SCENARIO: &str = "muted_leg_is_not_heard";

#[test]
fn muted_leg_is_not_heard() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let host = scene.join("host")?;
    let says = Speech::phone()?;
    let plays = says.between(Duration::from_secs(3), Duration::from_secs(1));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &plays))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    // In the silence before its first word.
    let heard = scene.wait(host.hears("phone", Duration::from_secs(3)))?;
    let call = scene
        .worker
        .until_call("is there", Duration::from_secs(2), |_| true)?;
    let path = format!(
        "/v1/calls/{}/mute",
        call["id"].as_str().context("a call has an id")?
    );
    let (status, answer) = scene.worker.ask("POST", &path, None)?;
    assert!((200..300).contains(&status), "{status} {answer}");

    phone.wait_closed(Duration::from_secs(30))?;
    let heard = heard.recording.wave();
    let faults = compare(&says.wave, &heard).faults(&Thresholds::default());
    assert!(matches!(faults[..], [Fault::NothingHeard]), "{faults:?}");
    assert!(says.marker.find(&heard).is_none());
    Ok(())
}
