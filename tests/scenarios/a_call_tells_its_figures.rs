// SPDX-License-Identifier: MPL-2.0
//! While a call lasts, the API and the event stream tell how its media fare on both sides, and its
//! SIP messages can be looked at; when it is over all that is still there.

use anyhow::{Context as _, Result};
use serde_json::Value;
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene, open_house};
use sipbridge_tests::worker::run_once;
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

const SCENARIO: &str = "a_call_tells_its_figures";

fn count(media: &Value, path: &str) -> i64 {
    media.pointer(path).and_then(Value::as_i64).unwrap_or(-1)
}

#[test]
fn a_call_tells_its_figures() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let events = scene.worker.get(Some(scene.worker.token()), "/v1/events")?;
    let host = scene.join("host")?;
    let says = Wave::silence(8_000, Duration::from_secs(60));
    let mut phone = Baresip::start(
        SCENARIO,
        &Options {
            codec: "PCMU",
            ..Options::new("phone", &says)
        },
    )?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    scene.wait(host.hears("phone", Duration::from_secs(5)))?;

    // Both ways on both sides, with what baresip's and the SFU's reports add.
    let call = scene
        .worker
        .until_call("is measured", Duration::from_secs(30), |call| {
            let media = &call["media"];
            media["phone"]["round_trip_ms"].is_f64()
                && count(media, "/phone/sent/lost") >= 0
                && count(media, "/room/published/sent/packets") > 100
                && count(media, "/room/heard/0/received/packets") > 100
        })?;
    let media = &call["media"];
    assert_eq!(media["phone"]["codec"], "PCMU");
    assert_eq!(media["phone"]["codec_received"], "PCMU");
    assert!(count(media, "/phone/received/packets") > 100, "{media}");
    assert!(count(media, "/phone/sent/packets") > 100, "{media}");
    for (what, most) in [
        ("/phone/received/loss_percent", 2.0),
        ("/phone/round_trip_ms", 500.0),
        ("/phone/received/jitter_ms", 30.0),
        ("/room/heard/0/received/loss_percent", 2.0),
    ] {
        let value = media.pointer(what).and_then(Value::as_f64);
        assert!(value.is_some_and(|value| value <= most), "{what}: {media}");
    }
    for what in ["/phone/received/mos", "/phone/sent/mos"] {
        let value = media.pointer(what).and_then(Value::as_f64);
        assert!(value.is_some_and(|value| value > 3.5), "{what}: {media}");
    }

    let id = call["id"].as_str().context("its id")?;
    let told = BufReader::new(events)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok())
        .find(|event| {
            let media = &event["media"];
            event["type"] == "media"
                && count(media, "/phone/received/packets") > 100
                && count(media, "/room/published/sent/packets") > 100
        })
        .context("the event stream ended")?;
    assert_eq!(told["id"], id);

    phone.hang_up()?;
    host.sees_gone("phone", GONE_WITHIN)?;
    let ended = scene
        .worker
        .until_call("is over", Duration::from_secs(5), |call| {
            call["state"] == "ended"
        })?;
    // Nothing was wrong, so nothing is explained.
    assert_eq!(ended["why"], "the far end hung up");
    let last = &ended["media"];
    let more = count(media, "/phone/received/packets");
    assert!(count(last, "/phone/received/packets") >= more, "{last}");
    assert!(last["room"]["published"].is_object(), "{last}");

    let url = scene.worker.url();
    let token = scene.worker.token_file().to_string_lossy().into_owned();
    let shown = run_once(&[
        "calls",
        "--ladder",
        id,
        "--url",
        &url,
        "--token-file",
        &token,
    ])?;
    let ladder = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{ladder}");
    let mut lines = ladder.lines();
    for step in [
        "ended: the far end hung up",
        " INVITE sip:1000@",
        " 180 Ringing (INVITE)",
        " 200 OK (INVITE, SDP)",
        " ACK sip:",
        " BYE sip:",
        " 200 OK (BYE)",
    ] {
        assert!(
            lines.any(|line| line.contains(step)),
            "{step} is missing or out of order:\n{ladder}"
        );
    }

    let metrics = scene.worker.metrics()?;
    let received = r#"sipbridge_rtp_packets_total{side="phone",direction="received"} "#;
    let value = metrics.lines().find_map(|line| line.strip_prefix(received));
    let value: i64 = value.context(metrics.clone())?.parse()?;
    assert!(value >= count(last, "/phone/received/packets"));
    // The one call sounded as it told itself.
    let told = last.pointer("/phone/received/mos").and_then(Value::as_f64);
    let sum = r#"sipbridge_call_mos_sum{direction="received"} "#;
    let sum = metrics.lines().find_map(|line| line.strip_prefix(sum));
    let sum: f64 = sum.context(metrics.clone())?.parse()?;
    assert!((sum - told.context("no opinion")?).abs() < 0.5, "{metrics}");
    Ok(())
}
