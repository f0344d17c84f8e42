// SPDX-License-Identifier: MPL-2.0
//! Phones are transferred: the worker asks one in a room to call another phone instead, and the two hear
//! each other; a phone asks the worker to call another into the room in its place.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::refrain::Refrain;
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene, trunk_to};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(5);

fn phone(scenario: &str, name: &str, says: &Wave, auto_answer: bool) -> Result<Baresip> {
    let options = Options {
        auto_answer,
        ..Options::new(name, says)
    };
    Baresip::start(scenario, &options)
}

#[test]
fn a_phone_is_sent_from_a_room_to_another_phone() -> Result<()> {
    steadily(sent_away)
}

fn sent_away() -> Result<()> {
    let scenario = "a_phone_is_transferred";
    let (alice_says, bob_says) = (Refrain::new()?, Refrain::new()?);
    let mut bob = phone(scenario, "bob", &bob_says.plays(), true)?;
    let mut alice = phone(scenario, "alice", &alice_says.plays(), false)?;
    // Bob stands for the carrier through which numbers are reached.
    let scene = Scene::open(scenario, &trunk_to(&format!("sip:{}", bob.address())))?;
    let host = scene.join("host")?;
    alice.dial(&scene.worker.uri(NUMBER))?;
    alice.wait_established(SOON)?;
    host.sees("alice", SOON)?;
    let call = scene
        .worker
        .until_call("are up", SOON, |call| call["state"] == "active")?;
    let path = format!(
        "/v1/calls/{}/transfer",
        call["id"].as_str().context("an id")?
    );

    for wrong in [
        json!({}),
        json!({ "call": "nobody" }),
        json!({ "to": "a b" }),
    ] {
        let (status, answer) = scene.worker.ask("POST", &path, Some(&wrong))?;
        ensure!((400..500).contains(&status), "{wrong}: {status} {answer}");
    }
    let wanted = json!({ "to": "bob" });
    let (status, answer) = scene.worker.ask("POST", &path, Some(&wanted))?;
    ensure!(status == 202, "{status} {answer}");
    bob.wait_established(SOON)?;
    let ended = scene
        .worker
        .until_call("are over", SOON, |call| call["state"] == "ended")?;
    ensure!(ended["transfer"]["state"] == "succeeded", "{ended}");
    ensure!(ended["transfer"]["code"] == 200, "{ended}");
    let why = ended["why"].as_str().unwrap_or_default();
    ensure!(why.starts_with("transferred to sip:bob@"), "{ended}");
    host.sees_gone("alice", GONE_WITHIN)?;

    // Twice what each says is how long it takes to hear it whole.
    scene.pass(Instant::now() + 2 * alice_says.stretch());
    alice.hang_up()?;
    bob.wait_closed(SOON)?;
    let trace = alice.trace();
    for line in [
        "REFER sip:",
        "Refer-To: <sip:bob@",
        "SIP/2.0 180",
        "SIP/2.0 200 OK",
    ] {
        ensure!(trace.contains(line), "{line} is missing: {trace}");
    }
    alice_says.assert_heard_in(&bob.into_heard()?, scenario, "alice to bob")?;
    let heard = alice.into_heard()?;
    let spoken = heard.duration().saturating_sub(2 * bob_says.stretch());
    let heard = heard.slice(spoken, heard.duration());
    bob_says.assert_heard_in(&heard, scenario, "bob to alice")?;
    Ok(())
}

#[test]
fn a_phone_has_another_called_in_its_place() -> Result<()> {
    let scenario = "a_phone_has_another_called";
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let bob = phone(scenario, "bob", &says, true)?;
    let mut alice = phone(scenario, "alice", &says, false)?;
    let tables = trunk_to(&format!("sip:{}", bob.address())).replace(
        "dial_allow = [\"*\"]",
        "dial_allow = [\"bob\"]\naccept_transfers = true",
    );
    let scene = Scene::open(scenario, &tables)?;
    let host = scene.join("host")?;
    alice.dial(&scene.worker.uri(NUMBER))?;
    alice.wait_established(SOON)?;
    host.sees("alice", SOON)?;

    // Beyond what may be dialled, nobody is called. This phone hangs up where it is refused.
    alice.transfer("sip:carol@127.0.0.1")?;
    scene.worker.wait_for_line("transfer refused", SOON)?;
    host.sees_gone("alice", GONE_WITHIN)?;
    ensure!(scene.worker.calls()?.len() == 1);

    alice.dial(&scene.worker.uri(NUMBER))?;
    alice.wait_established(SOON)?;
    host.sees("alice", SOON)?;
    alice.transfer(&bob.uri())?;
    host.sees("bob", SOON)?;
    host.sees_gone("alice", SOON)?;
    let calls = scene.worker.until_calls("leave one", SOON, |calls| {
        calls
            .iter()
            .filter(|call| call["state"] == "active")
            .count()
            == 1
    })?;
    ensure!(calls.len() == 3, "{calls:?}");
    ensure!(alice.trace().contains("SIP/2.0 202 Accepted"));
    Ok(())
}
