// SPDX-License-Identifier: MPL-2.0
//! The command line asks a running worker: `dial` brings a phone into a room, `calls` lists it. Whoever has the
//! wrong token is told so.

use anyhow::Result;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::out_dir;
use sipbridge_tests::scene::{GONE_WITHIN, ROOM, Scene, trunk_to};
use sipbridge_tests::worker::run_once;
use std::time::Duration;

const SCENARIO: &str = "sip_worker_dial";

#[test]
fn sip_worker_dial() -> Result<()> {
    let says = Wave::silence(8_000, Duration::from_secs(30));
    let mut phone = Baresip::start(
        SCENARIO,
        &Options {
            auto_answer: true,
            ..Options::new("bob", &says)
        },
    )?;
    let scene = Scene::open(SCENARIO, &trunk_to(&format!("sip:{}", phone.address())))?;
    let host = scene.join("host")?;
    let url = scene.worker.url();
    let right = scene.worker.token_file().to_string_lossy().into_owned();
    let wrong = out_dir(SCENARIO).join("wrong-token");
    std::fs::write(&wrong, "0123456789abcdef0123456789abcdef\n")?;
    let wrong = wrong.to_string_lossy();
    let dial = |token: &str| {
        run_once(&[
            "dial",
            "bob",
            "--room",
            ROOM,
            "--name",
            "Bob",
            "--url",
            &url,
            "--token-file",
            token,
        ])
    };
    let calls = |token: &str| run_once(&["calls", "--url", &url, "--token-file", token]);

    for refused in [dial(&wrong)?, calls(&wrong)?] {
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("token") && said.lines().count() == 1,
            "one sentence names the token: {said}"
        );
        assert!(refused.stdout.is_empty());
    }
    assert!(scene.worker.calls()?.is_empty(), "nobody was called");
    let none = calls(&right)?;
    assert_eq!(String::from_utf8_lossy(&none.stdout).trim(), "no calls");

    let dialled = dial(&right)?;
    let said = String::from_utf8_lossy(&dialled.stderr);
    assert!(dialled.status.success(), "{said}");
    let id = String::from_utf8_lossy(&dialled.stdout).trim().to_owned();
    phone.wait_established(Duration::from_secs(10))?;
    host.sees("Bob", Duration::from_secs(5))?;
    scene
        .worker
        .until_call("is active", Duration::from_secs(5), |call| {
            call["id"] == id.as_str() && call["state"] == "active"
        })?;

    let listed = calls(&right)?;
    let list = String::from_utf8_lossy(&listed.stdout);
    assert!(listed.status.success(), "{list}");
    let line = list.lines().find(|line| line.starts_with(&id));
    let room = format!("room {ROOM}");
    assert!(
        line.is_some_and(|line| line.contains("active") && line.contains(&room)),
        "{id}: {list}"
    );

    phone.hang_up()?;
    host.sees_gone("Bob", GONE_WITHIN)?;
    Ok(())
}
