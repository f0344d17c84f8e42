// SPDX-License-Identifier: MPL-2.0
//! A room whose mixing takes as much of its media thread as it may lets nobody more in, and says why: what is
//! late is late for everybody in it.

use std::time::Duration;

use anyhow::Result;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, Scene, Setup, open_house};

const SCENARIO: &str = "a_room_as_large_as_its_thread";

#[test]
fn a_room_as_large_as_its_thread() -> Result<()> {
    let setup = Setup {
        // Any room is too large for nothing.
        media: "params = { max_load = 0.0 }".to_owned(),
        ..Setup::default()
    };
    let scene = Scene::open_with(SCENARIO, &open_house("at-once"), setup)?;
    let says = Wave::silence(8_000, Duration::from_secs(10));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &says))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    let reason = phone.wait_closed(Duration::from_secs(10))?;
    assert!(reason.starts_with("503"), "{reason}");
    let calls = scene.worker.calls()?;
    let why = calls.first().and_then(|call| call["why"].as_str());
    assert!(why.unwrap_or_default().contains("max-load"), "{calls:?}");
    Ok(())
}
