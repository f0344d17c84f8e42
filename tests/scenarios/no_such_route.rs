// SPDX-License-Identifier: MPL-2.0
//! A number that no route knows.

use anyhow::Result;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{Scene, open_house};
use std::time::Duration;

const SCENARIO: &str = "no_such_route";

#[test]
fn no_such_route() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let says = Wave::silence(8_000, Duration::from_secs(10));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &says))?;
    phone.dial(&scene.worker.uri("4711"))?;
    let reason = phone.wait_closed(Duration::from_secs(5))?;
    assert!(reason.starts_with("404"), "{reason}");
    assert!(scene.worker.calls()?.is_empty());
    Ok(())
}
