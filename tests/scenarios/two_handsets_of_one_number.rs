// SPDX-License-Identifier: MPL-2.0
//! Two handsets call under one number: both are let in, and a number tells them apart.

use anyhow::{Result, ensure};
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::worker::{Settings, Worker};
use std::net::Ipv4Addr;
use std::time::Duration;

const SCENARIO: &str = "two_handsets_of_one_number";
const SOON: Duration = Duration::from_secs(10);

#[test]
fn two_handsets_of_one_number() -> Result<()> {
    let settings = Settings {
        tables: format!(
            "[[sfu]]\nname = \"main\"\nkind = \"embedded\"\n\n{}participant = \"desk\"\n",
            open_house("at-once")
        ),
        ..Settings::default()
    };
    let worker = Worker::start_with(SCENARIO, Ipv4Addr::LOCALHOST.into(), &settings)?;
    let silence = Wave::silence(8_000, Duration::from_secs(20));
    let mut phones = Vec::new();
    for name in ["kitchen", "cellar"] {
        let mut phone = Baresip::start(SCENARIO, &Options::new(name, &silence))?;
        phone.dial(&worker.uri(NUMBER))?;
        phone.wait_established(SOON)?;
        phones.push(phone);
    }
    let mut known: Vec<String> = worker
        .calls()?
        .iter()
        .map(|call| format!("{} {}", call["state"], call["participant"]))
        .collect();
    known.sort();
    ensure!(
        known == ["\"active\" \"desk\"", "\"active\" \"desk-2\""],
        "{known:?}"
    );
    let (_, room) = worker.ask("GET", &format!("/v1/rooms/{ROOM}"), None)?;
    let people = room["participants"].as_array().map(Vec::len);
    ensure!(people == Some(2), "{room}");
    Ok(())
}
