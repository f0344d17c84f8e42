// SPDX-License-Identifier: MPL-2.0
//! The SFU is killed in the middle of a call: the phone is not left in silence.

use anyhow::Result;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use std::time::Duration;

const SCENARIO: &str = "sfu_dies";

#[test]
fn sfu_dies() -> Result<()> {
    let mut scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let mut phone = Baresip::start(
        SCENARIO,
        &Options {
            name: "phone",
            says: &says,
            codec: "PCMU",
            auto_answer: false,
            password: None,
        },
    )?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;

    scene.janus().kill()?;
    phone.wait_closed(Duration::from_secs(5))?;
    let ended = scene
        .worker
        .until_call("has ended", Duration::from_secs(2), |call| {
            call["state"] == "ended"
        })?;
    assert!(
        ended["why"].as_str().is_some_and(|why| !why.is_empty()),
        "it says why: {ended}"
    );
    // The worker itself lives on.
    let (status, _) = scene.worker.ask("GET", "/v1/calls", None)?;
    assert_eq!(status, 200);
    Ok(())
}
