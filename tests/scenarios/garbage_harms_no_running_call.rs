// SPDX-License-Identifier: MPL-2.0
//! Nonsense arrives on the SIP port for as long as a call runs. The call does not notice.

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::Value;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::raw::Raw;
use sipbridge_tests::scene::{NUMBER, Scene, open_house};
use sipbridge_tests::speech::Speech;
use std::time::Duration;

const SCENARIO: &str = "garbage_harms_no_running_call";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";

#[test]
fn garbage_harms_no_running_call() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let host = scene.join("host")?;
    let says = Speech::phone()?;
    let plays = says.between(Duration::from_secs(3), Duration::from_secs(1));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &plays))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    let heard = scene.wait(host.hears("phone", Duration::from_secs(3)))?;

    let raw = Raw::open(scene.worker.sip())?;
    unreadable(&raw)?;
    unacceptable(&raw)?;
    unreadable(&raw)?;

    phone.wait_closed(Duration::from_secs(30))?;
    says.assert_heard_in(&heard.recording.wave(), SCENARIO, "phone to room")?;
    let calls = scene.worker.calls()?;
    let refused = |call: &&Value| call["code"].as_u64().is_some_and(|code| code >= 400);
    let others = calls.len() - calls.iter().filter(refused).count();
    assert_eq!(others, 1, "nothing else became a call: {calls:?}");
    let (status, _) = scene.worker.ask("GET", "/readyz", None)?;
    assert_eq!(status, 200);
    Ok(())
}

/// What is no SIP, or not whole.
fn unreadable(raw: &Raw) -> Result<()> {
    let mut random = StdRng::seed_from_u64(5060);
    for _ in 0..500 {
        let mut bytes = vec![0; random.random_range(1..1_400)];
        random.fill_bytes(&mut bytes);
        raw.send(&bytes)?;
    }
    let invite = raw.request(
        "INVITE",
        NUMBER,
        &format!("{SDP}m=audio 40000 RTP/AVP 0\r\n"),
    );
    // A cut before the end of the headers, so that nothing of it can be taken for a call.
    for cut in [1, 7, 20, 100, 200, invite.find("\r\n\r\n").unwrap_or(300)] {
        raw.send(&invite.as_bytes()[..cut])?;
    }
    let long = format!("X-Long: {}\r\nContent-Length", "a".repeat(64_000));
    raw.send(
        raw.request("OPTIONS", NUMBER, "")
            .replacen("Content-Length", &long, 1)
            .as_bytes(),
    )?;
    Ok(())
}

/// What is SIP, but no call that could be had.
fn unacceptable(raw: &Raw) -> Result<()> {
    while raw.answer(Duration::from_millis(300))?.is_some() {}
    let offers = [
        ("SDP without m=", SDP.to_owned(), &["400", "488"][..]),
        (
            "m=audio 0",
            format!("{SDP}m=audio 0 RTP/AVP 0\r\n"),
            &["488"],
        ),
        (
            "no common codec",
            format!("{SDP}m=audio 40000 RTP/AVP 96\r\na=rtpmap:96 AMR-WB/16000\r\n"),
            &["488"],
        ),
    ];
    for (what, offer, expected) in offers {
        raw.send(raw.request("INVITE", NUMBER, &offer).as_bytes())?;
        let answer = raw
            .final_answer(Duration::from_secs(2))?
            .unwrap_or_default();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(
            expected.contains(&status),
            "{what} was answered with {answer:?}"
        );
    }
    Ok(())
}
