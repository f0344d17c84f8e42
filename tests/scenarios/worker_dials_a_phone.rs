// SPDX-License-Identifier: MPL-2.0
//! The worker is asked to call a phone, through a proxy, as who its trunk says it is; both sides hear each
//! other; the worker hangs up when asked.

use anyhow::{Result, ensure};
use serde_json::json;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{GONE_WITHIN, ROOM, Scene, trunk_to};
use sipbridge_tests::speech::Speech;
use std::time::{Duration, Instant};

const SCENARIO: &str = "worker_dials_a_phone";

#[test]
fn worker_dials_a_phone() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let (phone_says, room_says) = (Speech::phone()?, Speech::room()?);
    let plays = phone_says.between(Duration::from_secs(3), Duration::from_secs(30));
    let mut phone = Baresip::start(
        SCENARIO,
        &Options {
            auto_answer: true,
            ..Options::new("bob", &plays)
        },
    )?;
    // The phone stands in for the proxy that leads to the carrier.
    let tables = trunk_to("sip:carrier.invalid").replace(
        "dial_allow",
        &format!(
            "outbound_proxy = \"{}\"
from_name = \"Example Ltd\"
from_domain = \"example.com\"
asserted_identity = \"+15550199\"
dial_allow",
            phone.address()
        ),
    );
    let scene = Scene::open(SCENARIO, &tables)?;
    let host = scene.join("host")?;

    let (status, refusal) = scene.worker.ask_without_token("POST", "/v1/calls")?;
    assert_eq!(status, 401, "{refusal}");
    let wanted = json!({ "to": "bob", "trunk": "phones", "room": ROOM, "name": "Bob" });
    let id = scene.worker.call(&wanted)?;

    phone.wait_established(Duration::from_secs(10))?;
    let invite = phone.trace();
    for line in [
        "INVITE sip:bob@carrier.invalid SIP/2.0".to_owned(),
        format!("Route: <sip:{};lr>", phone.address()),
        "From: \"Example Ltd\" <sip:+15550100@example.com>;tag=".to_owned(),
        "P-Asserted-Identity: <sip:+15550199@example.com>".to_owned(),
    ] {
        ensure!(invite.contains(&line), "{line} is missing: {invite}");
    }
    let heard = scene.wait(host.hears("Bob", Duration::from_secs(5)))?;
    let room_begins = Instant::now() + Duration::from_millis(1_500);
    host.say(&room_says.wave, room_begins);
    // The whole of both must have been said: this is how long speech takes, not a guess at a delay.
    let spoken = room_says.wave.duration().max(phone_says.wave.duration()) + Duration::from_secs(4);
    scene.wait(async { tokio::time::sleep_until((room_begins + spoken).into()).await });

    scene.worker.hang_up(&id)?;
    phone.wait_closed(Duration::from_secs(2))?;
    host.sees_gone("Bob", GONE_WITHIN)?;
    let ended = scene
        .worker
        .until_call("has ended", Duration::from_secs(2), |call| {
            call["id"] == *id && call["state"] == "ended"
        })?;
    assert!(
        ended["why"]
            .as_str()
            .is_some_and(|why| why.contains("hung up")),
        "{ended}"
    );

    phone_says.assert_heard_in(&heard.recording.wave(), SCENARIO, "phone to room")?;
    room_says.assert_heard_in(&phone.into_heard()?, SCENARIO, "room to phone")?;
    Ok(())
}

#[test]
fn numbers_beyond_the_allow_list_are_not_dialled() -> Result<()> {
    let scenario = "dial_allow";
    let tables =
        trunk_to("sip:127.0.0.1:9").replace("dial_allow = [\"*\"]", "dial_allow = [\"+1*\"]");
    let scene = Scene::open(scenario, &tables)?;
    for to in [
        "+4915550100",
        "sip:+15550100@192.0.2.1",
        "+1555\r\nX-Evil: 1",
    ] {
        let wanted = json!({ "to": to, "trunk": "phones", "room": ROOM });
        let (status, answer) = scene.worker.ask("POST", "/v1/calls", Some(&wanted))?;
        assert!((400..500).contains(&status), "{to:?}: {status} {answer}");
    }
    assert!(scene.worker.calls()?.is_empty());
    Ok(())
}
