// SPDX-License-Identifier: MPL-2.0
//! A carrier says who calls, and that the caller wants nobody to know: the operator does, the room does
//! not. A header beside that makes no sense, which refuses nothing.

use anyhow::{Context as _, Result, ensure};
use sipbridge_tests::scene::{NUMBER, ROOM, Scene, open_house};
use sipbridge_tests::worker::run_once;
use std::time::Duration;

const ASSERTED: &str = "+15550123";
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_caller_wants_to_be_hidden() -> Result<()> {
    let tables = open_house("at-once").replacen(
        "[[route]]",
        &format!(
            "trust_asserted_identity = true
[[route]]
from = \"{ASSERTED}\"
private = true
diverted_by = \"+15550199\""
        ),
        1,
    );
    let mut scene = Scene::open("a_caller_wants_to_be_hidden", &tables)?;
    let host = scene.join("host")?;
    let uri = scene.worker.uri(NUMBER);
    let asserted = format!("P-Asserted-Identity: \"Bob\" <sip:{ASSERTED}@carrier.example>");
    let said = std::thread::scope(|scope| -> Result<_> {
        let phone = scope.spawn(|| {
            run_once(&[
                "phone",
                &uri,
                "--from",
                "bob",
                "--header",
                &asserted,
                "--header",
                "Privacy: id",
                "--header",
                "Diversion: <sip:+15550199@carrier.example>;reason=no-answer",
                "--header",
                "History-Info: <sip:a@b.example>",
                "--seconds",
                "1",
            ])
        });
        host.sees("anonymous", SOON)?;
        let ended = phone.join();
        ended.ok().context("the phone's thread broke down")?
    })?;
    drop(host);
    let errors = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{errors}");

    let calls = scene.worker.calls()?;
    let [call] = calls.as_slice() else {
        panic!("one call came in: {calls:?}");
    };
    assert_eq!(
        (&call["from"], &call["room"]),
        (&ASSERTED.into(), &ROOM.into())
    );
    let participant = call["participant"].as_str().unwrap_or_default();
    ensure!(
        !participant.contains("5550123") && !participant.contains("bob"),
        "{call}"
    );
    let origin = &call["origin"];
    assert_eq!(origin["privacy"], serde_json::json!(["id"]));
    assert_eq!(origin["diverted_by"], "+15550199");
    ensure!(origin.get("history").is_none(), "{call}");
    let log = scene.worker.process().printed();
    assert_eq!(log.matches("History-Info").count(), 1, "{log}");
    Ok(())
}
