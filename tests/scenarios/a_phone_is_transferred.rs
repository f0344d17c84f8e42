// SPDX-License-Identifier: MPL-2.0
//! Phones are transferred: the worker asks one in a room to call another phone instead, and the two hear
//! each other; a phone asks the worker to call another into the room in its place. Where a phone will call
//! nobody, the worker calls the other, or joins two that are there.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::process::Process;
use sipbridge_tests::refrain::Refrain;
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, ROOM, Scene, open_house, trunk_to};
use sipbridge_tests::{out_dir, put, worker};
use std::path::PathBuf;
use std::process::Command;
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

/// `sip-worker phone`, which refuses to be transferred.
struct Stubborn {
    process: Process,
    heard: PathBuf,
}

impl Stubborn {
    fn calls(scenario: &str, name: &str, says: &Wave, uri: &str) -> Result<Stubborn> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let (plays, heard) = (folder.join("says.wav"), folder.join("heard.wav"));
        says.write(&plays)?;
        let mut command = Command::new(worker::program()?);
        command.args(["phone", uri, "--json", "--from", name, "--codecs", "pcma"]);
        command
            .arg("--play")
            .arg(&plays)
            .arg("--record")
            .arg(&heard);
        let log = folder.join(format!("{name}.log"));
        let process = Process::start(name, command, &log)?;
        Ok(Stubborn { process, heard })
    }

    fn hangs_up(mut self) -> Result<Wave> {
        self.process.terminate()?;
        Ok(Wave::read(&self.heard)?)
    }
}

#[test]
fn a_phone_that_calls_nobody_is_joined_with_the_other_by_the_worker() -> Result<()> {
    steadily(joined)
}

fn joined() -> Result<()> {
    let scenario = "a_phone_is_joined_with_another";
    let (alice_says, bob_says) = (Refrain::new()?, Refrain::new()?);
    let mut bob = phone(scenario, "bob", &bob_says.plays(), true)?;
    let scene = Scene::open(scenario, &trunk_to(&format!("sip:{}", bob.address())))?;
    let host = scene.join("host")?;
    let worker = &scene.worker;
    let alice = Stubborn::calls(scenario, "alice", &alice_says.plays(), &worker.uri(NUMBER))?;
    host.sees("alice", SOON)?;
    let call = worker.until_call("are up", SOON, |call| call["state"] == "active")?;
    let id = call["id"].as_str().context("an id")?;

    let wanted = json!({ "to": "bob" });
    let path = format!("/v1/calls/{id}/transfer");
    let (status, answer) = worker.ask("POST", &path, Some(&wanted))?;
    ensure!(status == 202, "{status} {answer}");
    bob.wait_established(SOON)?;
    let call = worker.until_call("are joined", SOON, |call| {
        call["id"] == id && call["transfer"]["state"] == "succeeded"
    })?;
    ensure!(call["state"] == "active", "{call}");
    host.sees_gone("alice", GONE_WITHIN)?;
    let room = call["room"].clone();
    worker.until_calls("are two in one room", SOON, |calls| {
        calls.len() == 2 && calls.iter().all(|call| call["room"] == room)
    })?;

    // Until they hear each other, and twice what each says.
    scene.pass(Instant::now() + Duration::from_secs(1) + 2 * alice_says.stretch());
    let by_alice = alice.hangs_up()?;
    bob.wait_closed(SOON)?;
    worker.until_calls("are over", SOON, |calls| {
        calls.iter().all(|call| call["state"] == "ended")
    })?;
    let last = |heard: Wave, says: &Refrain| {
        let spoken = heard.duration().saturating_sub(says.stretch());
        heard.slice(spoken, heard.duration())
    };
    let heard = last(bob.into_heard()?, &alice_says);
    alice_says.assert_heard_in(&heard, scenario, "alice to bob")?;
    let heard = last(by_alice, &bob_says);
    bob_says.assert_heard_in(&heard, scenario, "bob to alice")?;
    Ok(())
}

#[test]
fn two_phones_that_call_nobody_are_joined_by_the_worker() -> Result<()> {
    let scenario = "two_phones_are_joined";
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let scene = Scene::open(scenario, &open_house("at-once"))?;
    let (host, worker) = (scene.join("host")?, &scene.worker);
    let names = ["alice", "carol"];
    let phones = names.map(|name| Stubborn::calls(scenario, name, &says, &worker.uri(NUMBER)));
    let [alice, carol] = phones;
    let (alice, carol) = (alice?, carol?);
    let mut ids = Vec::new();
    for name in names {
        host.sees(name, SOON)?;
        let call = worker.until_call("are up", SOON, |call| {
            call["from"] == name && call["state"] == "active"
        })?;
        ids.push(call["id"].as_str().context("an id")?.to_owned());
    }
    let path = format!("/v1/calls/{}/transfer", ids[0]);
    let (status, answer) = worker.ask("POST", &path, Some(&json!({ "call": ids[1] })))?;
    ensure!(status == 202, "{status} {answer}");
    worker.until_call("are joined", SOON, |call| {
        call["id"] == ids[0] && call["transfer"]["state"] == "succeeded"
    })?;
    for name in names {
        host.sees_gone(name, GONE_WITHIN)?;
    }
    let room = worker.calls()?[0]["room"].clone();
    ensure!(worker.calls()?.iter().all(|call| call["room"] == room));
    alice.hangs_up()?;
    worker.until_calls("are over", SOON, |calls| {
        calls.iter().all(|call| call["state"] == "ended")
    })?;
    drop(carol);
    Ok(())
}

#[test]
fn a_users_phone_has_another_users_called_in_its_place() -> Result<()> {
    let scenario = "a_users_phone_has_another_called";
    put(scenario, "password", "open-sesame")?;
    let user =
        |name, more| format!("[[user]]\nname = \"{name}\"\npassword_file = \"password\"\n{more}\n");
    let route = format!(
        "[[route]]\nuser = \"*\"\nto = \"{NUMBER}\"\nroom = \"{ROOM}\"\nanswer = \"at-once\"\n"
    );
    let tables = [
        user("alice", "accept_transfers = true\n"),
        user("bob", ""),
        route,
    ];
    let scene = Scene::open(scenario, &tables.concat())?;
    let host = scene.join("host")?;
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let registered = |name, auto_answer| -> Result<Baresip> {
        let phone = Baresip::start(
            scenario,
            &Options {
                auto_answer,
                password: Some("open-sesame"),
                registrar: Some(scene.worker.sip()),
                ..Options::new(name, &says)
            },
        )?;
        phone.wait_registered(SOON)?;
        Ok(phone)
    };
    let mut bob = registered("bob", true)?;
    let mut alice = registered("alice", false)?;
    // Who may not is told so.
    bob.dial(&scene.worker.uri(NUMBER))?;
    host.sees("bob", SOON)?;
    bob.wait_established(SOON)?;
    bob.transfer(&scene.worker.uri("alice"))?;
    host.sees_gone("bob", SOON)?;
    ensure!(bob.trace().contains("SIP/2.0 603 "));

    alice.dial(&scene.worker.uri(NUMBER))?;
    alice.wait_established(SOON)?;
    host.sees("alice", SOON)?;
    alice.transfer(&scene.worker.uri("bob"))?;
    bob.wait_established(SOON)?;
    host.sees_gone("alice", SOON)?;
    let up = |call: &&Value| call["state"] == "active";
    scene.worker.until_calls("leave bob's", SOON, |calls| {
        let up: Vec<&Value> = calls.iter().filter(up).collect();
        up.len() == 1 && up[0]["user"] == "bob"
    })?;
    Ok(())
}
