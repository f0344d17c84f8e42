// SPDX-License-Identifier: MPL-2.0
//! A number that no route knows: the phone gets a 404, and the API knows the call, why it was
//! refused, and what was said.

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

    let calls = scene.worker.calls()?;
    let [call] = calls.as_slice() else {
        panic!("one call was refused: {calls:?}");
    };
    assert_eq!(
        (&call["state"], &call["code"]),
        (&"ended".into(), &404.into())
    );
    assert!(call["why"].is_string(), "{call}");
    let path = format!("/v1/calls/{}/ladder", call["id"].as_str().unwrap_or("?"));
    let (status, ladder) = scene.worker.ask("GET", &path, None)?;
    assert_eq!(status, 200, "{ladder}");
    let text = ladder["text"].as_str().unwrap_or_default();
    assert!(text.contains(" INVITE sip:4711@"), "{text}");
    assert!(text.contains(" 404 "), "{text}");
    Ok(())
}
