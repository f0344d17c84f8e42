// SPDX-License-Identifier: MPL-2.0
//! A carrier writes numbers in the manner of its country and wants headers of its own: routes, the room and
//! the API know E.164 and the headers that the trunk passes on, the carrier is told what it wants to hear.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sipbridge_tests::provider::{Manner, Provider};
use sipbridge_tests::scene::{ROOM, Scene, trunk_to};
use sipbridge_tests::worker::run_once;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);
const OURS: &str = "+4930123456";

#[test]
fn a_trunk_has_ways_of_its_own() -> Result<()> {
    let carrier = Provider::start(&[("030123457", Manner::Refuse(486, "Busy Here"))])?;
    let tables = trunk_to(&format!("sip:{}", carrier.address()))
        .replace(
            "dial_allow = [\"*\"]",
            "dial_allow = [\"+4930*\"]
numbers = { country = \"49\", national = \"0\", international = \"00\", dial = \"national\", user_phone = true }
headers_in = [\"X-Tenant\"]
headers_out = { X-Plan = \"gold\", X-Room = \"{room}\" }",
        )
        .replace(
            "to = \"1000\"",
            &format!("to = \"{OURS}\"\nfrom = \"+1555*\"\nheader.X-Tenant = \"acme\""),
        );
    let scene = Scene::open("a_trunk_has_ways_of_its_own", &tables)?;
    let host = scene.join("host")?;

    let uri = scene.worker.uri("030123456");
    let phone = |from: &'static str| {
        let uri = uri.clone();
        move || {
            let headers = ["--header", "X-Tenant: acme", "--header", "X-Other: 1"];
            let first = ["phone", &uri, "--from", from, "--seconds", "1"];
            run_once(&[&first[..], &headers[..]].concat())
        }
    };
    let said = std::thread::scope(|scope| -> Result<_> {
        let phone = scope.spawn(phone("0015550100"));
        host.sees("+15550100", SOON)?;
        phone.join().ok().context("the phone's thread broke down")?
    })?;
    let errors = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{errors}");
    let calls = scene.worker.calls()?;
    let [call] = calls.as_slice() else {
        panic!("one call came in: {calls:?}");
    };
    assert_eq!(
        (&call["from"], &call["to"], &call["room"]),
        (&"+15550100".into(), &OURS.into(), &ROOM.into())
    );
    assert_eq!(call["headers"], json!({ "X-Tenant": "acme" }));

    let wanted = json!({
        "to": "+49 (0)30 123-457",
        "room": ROOM,
        "headers": { "X-Plan": "silver", "X-Own": "1" },
    });
    let id = scene.worker.call(&wanted)?;
    carrier.until("030123457", "ACK", SOON)?;
    let (_, ladder) = scene
        .worker
        .ask("GET", &format!("/v1/calls/{id}/ladder"), None)?;
    let invite = ladder["steps"][0]["message"].as_str().unwrap_or_default();
    let called = format!("sip:030123457@{};user=phone", carrier.address());
    for line in [
        &*format!("INVITE {called} SIP/2.0"),
        &*format!("To: <{called}>"),
        "X-Plan: gold",
        "X-Room: lobby",
        "X-Own: 1",
    ] {
        let there = invite.lines().any(|known| known == line);
        ensure!(there, "{line:?} is missing: {invite}");
    }
    ensure!(!invite.contains("silver"), "{invite}");

    // However it is written: what is not allowed is not called.
    for to in ["0901234567", "004990123456", "+15550100"] {
        let wanted = json!({ "to": to, "room": ROOM });
        let (status, answer) = scene.worker.ask("POST", "/v1/calls", Some(&wanted))?;
        assert_eq!(status, 403, "{to}: {answer}");
    }
    Ok(())
}
