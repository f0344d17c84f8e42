// SPDX-License-Identifier: MPL-2.0
//! A phone and the worker press keys as RTP events, as SIP INFO and as tones. Each is told once with its
//! length, and tones count where they are asked for and nowhere else.

use anyhow::{Context as _, Result};
use gstsipbridge::tones::{Listener, Singer};
use serde_json::{Value, json};
use sip_worker::measure::Wave;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{ROOM, Scene, route};
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SCENARIO: &str = "keys_in_three_forms";
const KEYS: &str = "159#";
const MS: u32 = 100;
const RATE_HZ: u32 = 8_000;
const SOON: Duration = Duration::from_secs(5);

/// Keys as tones, between silence.
fn tones() -> Result<Wave> {
    let mut wave = Wave::silence(RATE_HZ, Duration::from_secs(2));
    let mut singer = Singer::default();
    singer.queue(KEYS, MS)?;
    let mut frame = [0; RATE_HZ as usize / 50];
    while !singer.is_idle() {
        singer.sing(RATE_HZ, &mut frame);
        wave.samples.extend(frame);
    }
    wave.push(&Wave::silence(RATE_HZ, Duration::from_secs(60)));
    Ok(wave)
}

/// The next key that the event stream tells: digit, form, length.
fn next_key(events: &mut BufReader<TcpStream>) -> Result<(String, String, u64)> {
    let told = events
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok())
        .find(|event| event["type"] == "dtmf")
        .context("the event stream ended")?;
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    Ok((
        text("digit"),
        text("form"),
        told["ms"].as_u64().unwrap_or(0),
    ))
}

/// Calls the phone through this trunk, and returns the call once it is up.
fn call(scene: &Scene, phone: &mut Baresip, trunk: &str) -> Result<String> {
    let wanted = json!({ "to": "bob", "trunk": trunk, "room": ROOM });
    let (status, call) = scene.worker.ask("POST", "/v1/calls", Some(&wanted))?;
    assert_eq!(status, 201, "{call}");
    phone.wait_established(Duration::from_secs(10))?;
    let id = call["id"].as_str().context("a call has an id")?.to_owned();
    let up = scene.worker.until_call("is up", SOON, |call| {
        call["id"] == *id && call["state"] == "active" && call["dtmf"].is_string()
    })?;
    let form = match trunk {
        "events" => "rfc4733",
        "info" => "info",
        _ => "inband",
    };
    assert_eq!(up["dtmf"], form);
    Ok(id)
}

fn press(scene: &Scene, id: &str) -> Result<()> {
    let keys = json!({ "digits": KEYS, "ms": MS });
    let path = format!("/v1/calls/{id}/dtmf");
    let (status, answer) = scene.worker.ask("POST", &path, Some(&keys))?;
    assert!((200..300).contains(&status), "{status} {answer}");
    Ok(())
}

fn hang_up(scene: &Scene, phone: &mut Baresip, id: &str) -> Result<()> {
    scene
        .worker
        .ask("DELETE", &format!("/v1/calls/{id}"), None)?;
    phone.wait_closed(SOON)?;
    // Its participant has left the room, where the next call is known by the same name.
    scene
        .worker
        .until_call("is over", SOON, |call| {
            call["id"] == *id && call["state"] == "ended"
        })
        .map(drop)
}

#[test]
fn keys_in_three_forms() -> Result<()> {
    let says = tones()?;
    let options = Options {
        auto_answer: true,
        ..Options::new("bob", &says)
    };
    let mut phone = Baresip::start(SCENARIO, &options)?;
    let trunks: String = [("events", "auto"), ("info", "info"), ("tones", "inband")]
        .map(|(name, dtmf)| {
            format!(
                "[[trunk]]\nname = \"{name}\"\nuri = \"sip:{}\"\ndial_allow = [\"*\"]\ndtmf = \"{dtmf}\"\n\n",
                phone.address()
            )
        })
        .concat();
    let scene = Scene::open(SCENARIO, &format!("{trunks}{}", route("at-once")))?;
    let events = scene.worker.get(Some(scene.worker.token()), "/v1/events")?;
    let mut events = BufReader::new(events);

    // The tones that it says meanwhile are sound like any other.
    let id = call(&scene, &mut phone, "events")?;
    phone.send_digit('7')?;
    let (digit, form, _) = next_key(&mut events)?;
    assert_eq!((digit.as_str(), form.as_str()), ("7", "rfc4733"));
    press(&scene, &id)?;
    for key in KEYS.chars() {
        assert_eq!(phone.wait_digit(SOON)?, key.to_string());
    }
    hang_up(&scene, &mut phone, &id)?;

    let id = call(&scene, &mut phone, "info")?;
    press(&scene, &id)?;
    for key in KEYS.chars() {
        assert_eq!(phone.wait_digit(SOON)?, key.to_string());
    }
    hang_up(&scene, &mut phone, &id)?;

    let id = call(&scene, &mut phone, "tones")?;
    for key in KEYS.chars() {
        let (digit, form, ms) = next_key(&mut events)?;
        assert_eq!((digit, form.as_str()), (key.to_string(), "inband"));
        assert!(ms.abs_diff(u64::from(MS)) <= 20, "{key}: {ms} ms");
    }
    press(&scene, &id)?;
    // This is how long they sound.
    scene.pass(Instant::now() + Duration::from_secs(2));
    hang_up(&scene, &mut phone, &id)?;

    let heard = phone.into_heard()?.resampled(RATE_HZ);
    let mut listener = Listener::default();
    listener.hear(RATE_HZ, &heard.samples);
    let found: String = std::iter::from_fn(|| listener.poll())
        .map(|press| press.digit)
        .collect();
    // In the last call alone.
    assert_eq!(found, KEYS);
    Ok(())
}
