// SPDX-License-Identifier: MPL-2.0
//! A carrier answers a call out with 302: where its trunk may, the call goes to whom it names, and what that one
//! says counts; where it may not, the call ends and nobody else is called.

use anyhow::{Result, ensure};
use serde_json::json;
use sipbridge_tests::provider::{Manner, Provider};
use sipbridge_tests::scene::{ROOM, Scene};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_carrier_sends_a_call_on() -> Result<()> {
    let other = Provider::start(&[("bob", Manner::Refuse(486, "Busy Here"))])?;
    let carrier = Provider::start(&[("100", Manner::SendOn(other.address()))])?;
    let uri = carrier.address();
    let tables = format!(
        "[[trunk]]
name = \"strict\"
uri = \"sip:{uri}\"
dial_allow = [\"100\"]

[[trunk]]
name = \"trusting\"
uri = \"sip:{uri}\"
dial_allow = [\"100\"]
follow_redirects = true
"
    );
    let scene = Scene::open("a_carrier_sends_a_call_on", &tables)?;
    let ends = |trunk: &str| {
        let id = scene
            .worker
            .call(&json!({ "to": "100", "trunk": trunk, "room": ROOM }))?;
        scene.worker.until_call("has ended", SOON, |call| {
            call["id"] == *id && call["state"] == "ended"
        })
    };

    let call = ends("strict")?;
    ensure!(call["code"] == 302, "{call}");
    ensure!(
        other.until("bob", "INVITE", Duration::ZERO).is_err(),
        "who may not send calls on has sent one on"
    );

    let call = ends("trusting")?;
    ensure!(call["code"] == 486, "{call}");
    ensure!(other.until("bob", "ACK", SOON)? == ["INVITE", "ACK"]);
    Ok(())
}
