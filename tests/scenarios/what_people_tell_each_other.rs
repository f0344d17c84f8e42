// SPDX-License-Identifier: MPL-2.0
//! People in a room of the embedded SFU tell each other something by the HTTP interface. It comes with the events of
//! those it is for and of nobody else, and keys are for hosts to press.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sipbridge_tests::http::{Answer, ask};
use sipbridge_tests::offer::offer;
use sipbridge_tests::scene::ROOM;
use sipbridge_tests::worker::{Settings, Worker};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const SCENARIO: &str = "what_people_tell_each_other";
const SOON: Duration = Duration::from_secs(10);

#[test]
fn what_people_tell_each_other() -> Result<()> {
    let settings = Settings {
        tables: "[[sfu]]\nname = \"main\"\nkind = \"embedded\"\n".to_owned(),
        ..Settings::default()
    };
    let worker = Worker::start_with(SCENARIO, IpAddr::from(Ipv4Addr::LOCALHOST), &settings)?;
    let (guest, host) = (token(&worker, "")?, token(&worker, "?role=host")?);
    let (ann, ben, cid) = (
        comes(&worker, &guest, "Ann")?,
        comes(&worker, &guest, "Ben")?,
        comes(&worker, &guest, "Cid")?,
    );
    let mut at_ben = events(&worker, &guest, &ben)?;
    let mut at_cid = events(&worker, &guest, &cid)?;
    let room = next(&mut at_ben, None)?;
    ensure!(room["me"].is_string(), "{room}");
    let bens = room["me"].clone();
    next(&mut at_cid, None)?;

    let hello = json!({"text": "hello", "topic": "chat", "to": [bens]});
    ensure!(tell(&worker, &guest, &ann, &hello)?.status == 202);
    ensure!(tell(&worker, &guest, &ann, &json!({"text": "bye"}))?.status == 202);
    let told = next(&mut at_ben, Some("data"))?;
    ensure!(told["text"] == "hello" && told["topic"] == "chat", "{told}");
    ensure!(told["from"].is_string(), "{told}");
    // The first that Cid hears of is what was for all.
    for person in [&mut at_ben, &mut at_cid] {
        let told = next(person, Some("data"))?;
        ensure!(told["text"] == "bye", "{told}");
    }

    let key = json!({"digit": "5"});
    let refused = tell(&worker, &guest, &ann, &key)?;
    ensure!(refused.status == 403, "{refused:?}");
    ensure!(tell(&worker, &host, &ann, &key)?.status == 202);
    ensure!(next(&mut at_cid, Some("data"))?["digit"] == "5");

    for (who, what, status) in [
        ("nobody", &key, 404),
        (ann.as_str(), &json!({}), 400),
        (ann.as_str(), &json!({"digit": "55"}), 400),
        (ann.as_str(), &json!([]), 400),
    ] {
        let refused = tell(&worker, &host, who, what)?;
        ensure!(refused.status == status, "{who}, {what}: {refused:?}");
    }
    Ok(())
}

fn token(worker: &Worker, manner: &str) -> Result<String> {
    let path = format!("/v1/rooms/{ROOM}/token{manner}");
    let (_, told) = worker.ask("GET", &path, None)?;
    Ok(told["token"].as_str().context("a token")?.to_owned())
}

/// Comes to speak, and returns the session.
fn comes(worker: &Worker, token: &str, name: &str) -> Result<String> {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/sdp"),
    ];
    let path = format!("/whip/{ROOM}?name={name}");
    let offer = offer("sendonly");
    let answer = ask(worker.http(), "POST", &path, &headers, &offer)?;
    let location = answer.header("Location").context("a session")?;
    let id = location.rsplit('/').next().unwrap_or_default();
    Ok(id.to_owned())
}

fn tell(worker: &Worker, token: &str, session: &str, data: &Value) -> Result<Answer> {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/json"),
    ];
    let path = format!("/v1/rooms/{ROOM}/data?participant={session}");
    ask(worker.http(), "POST", &path, &headers, &data.to_string())
}

fn events(worker: &Worker, token: &str, session: &str) -> Result<BufReader<TcpStream>> {
    let path = format!("/v1/rooms/{ROOM}/events?participant={session}");
    Ok(BufReader::new(worker.get(Some(token), &path)?))
}

/// The next event of this type, or of none, within [`SOON`]; the worker keeps its connections alive, so that each line
/// comes some time.
fn next(events: &mut BufReader<TcpStream>, kind: Option<&str>) -> Result<Value> {
    let mut of = None;
    let until = Instant::now() + SOON;
    for line in events.lines() {
        let line = line?;
        ensure!(Instant::now() < until, "no event {kind:?}");
        if let Some(named) = line.strip_prefix("event:") {
            of = Some(named.trim().to_owned());
        } else if line.is_empty() {
            of = None;
        } else if let Some(data) = line.strip_prefix("data:")
            && of.as_deref() == kind
        {
            return Ok(serde_json::from_str(data.trim())?);
        }
    }
    anyhow::bail!("the events ended")
}
