// SPDX-License-Identifier: MPL-2.0
//! The phone rings because nobody is in the room; its owner gives up.

use anyhow::Result;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use std::time::Duration;

const SCENARIO: &str = "caller_cancels_while_ringing";
const SOON: Duration = Duration::from_secs(2);

#[test]
fn caller_cancels_while_ringing() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("on-participant"))?;
    let says = Wave::silence(8_000, Duration::from_secs(10));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &says))?;

    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_ringing(SOON)?;
    scene
        .worker
        .until_call("rings", SOON, |call| call["state"] == "ringing")?;
    phone.hang_up()?;

    phone.wait_closed(SOON)?;
    scene
        .worker
        .until_call("has ended", SOON, |call| call["state"] == "ended")?;
    let host = scene.join("host")?;
    assert!(
        !host.seen().is_here("phone"),
        "the caller has left the room"
    );
    Ok(())
}
