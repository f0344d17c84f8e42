// SPDX-License-Identifier: MPL-2.0
//! The worker is told the address that a one-to-one NAT gives it outside. Browsers learn that one alone, and
//! phones, whose media stay in the worker, get into the room and hear each other all the same.

use anyhow::{Result, ensure};
use sipbridge_browser::share_of;
use sipbridge_tests::http::ask;
use sipbridge_tests::join_page::{SOON, phone};
use sipbridge_tests::offer::offer;
use sipbridge_tests::scene::{NUMBER, open_house};
use sipbridge_tests::worker::{Settings, Worker};
use std::net::{IpAddr, Ipv4Addr};

const SCENARIO: &str = "behind_a_one_to_one_nat";

#[test]
fn behind_a_one_to_one_nat() -> Result<()> {
    let mut phones = [
        phone(SCENARIO, "bob", 700.0)?,
        phone(SCENARIO, "carl", 1_100.0)?,
    ];
    let settings = Settings {
        ice: "advertise = \"203.0.113.7\"".to_owned(),
        tables: format!(
            "[[sfu]]\nname = \"main\"\nkind = \"embedded\"\n\n{}",
            open_house("at-once")
        ),
        ..Settings::default()
    };
    let worker = Worker::start_with(SCENARIO, IpAddr::from(Ipv4Addr::LOCALHOST), &settings)?;
    let bearer = format!("Bearer {}", worker.token());
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/sdp"),
    ];
    let answer = ask(
        worker.http(),
        "POST",
        "/whip/attic",
        &headers,
        &offer("sendonly"),
    )?;
    let candidates: Vec<&str> = answer
        .body
        .lines()
        .filter(|l| l.contains("candidate:"))
        .collect();
    ensure!(
        candidates.len() == 1 && candidates[0].contains(" 203.0.113.7 "),
        "{candidates:?}"
    );

    for phone in &mut phones {
        phone.dial(&worker.uri(NUMBER))?;
        // Once its participant's connection to the SFU is up.
        phone.wait_established(SOON)?;
    }
    // What is heard last is what is listened to.
    worker.until_calls("have gone on", SOON, |calls| {
        calls
            .iter()
            .all(|call| call["seconds"].as_f64() > Some(4.0))
    })?;
    for (phone, hz) in phones.into_iter().zip([1_100.0, 700.0]) {
        let heard = phone.into_heard()?;
        let last = &heard.samples[heard.samples.len().saturating_sub(heard.rate_hz as usize)..];
        let share = share_of(hz, last, heard.rate_hz);
        ensure!(
            share > 0.7,
            "{share:.2} of what a phone hears last is the other's tone"
        );
    }
    Ok(())
}
