// SPDX-License-Identifier: MPL-2.0
//! While the SFU is away, one phone hangs up and the worker is stopped: both calls end as ever, each
//! with its own reason, and the worker ends in time.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use std::time::Duration;

const SCENARIO: &str = "ends_during_an_outage";
const SOON: Duration = Duration::from_secs(2);

#[test]
fn ends_during_an_outage() -> Result<()> {
    let mut scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let mut phones = Vec::new();
    for name in ["alice", "bob"] {
        let mut phone = Baresip::start(SCENARIO, &Options::new(name, &says))?;
        phone.dial(&scene.worker.uri(NUMBER))?;
        phone.wait_established(Duration::from_secs(10))?;
        phones.push(phone);
    }
    let [alice, bob] = &mut phones[..] else {
        unreachable!("two phones were started");
    };

    scene.janus().kill()?;
    scene.worker.until_calls("are away", SOON, |calls| {
        calls.iter().all(|call| call["away"].is_string())
    })?;
    alice.hang_up()?;
    let of_alice = |call: &Value| call["from"] == "alice" && call["state"] == "ended";
    let ended = scene
        .worker
        .until_call("of Alice has ended", SOON, of_alice)?;
    let why = ended["why"].as_str().context("it says why")?;
    ensure!(!why.contains("SFU"), "Alice hung up, and why is {why:?}");

    let status = scene.worker.process().terminate()?;
    ensure!(status.success(), "the worker ended with {status}");
    bob.wait_closed(SOON)?;
    Ok(())
}
