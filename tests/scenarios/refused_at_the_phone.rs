// SPDX-License-Identifier: MPL-2.0
//! Whatever an SFU of any kind refuses, gets wrong or leaves unsaid, the phone is told the right thing, API and log
//! know why in one clear sentence without secrets, and nothing of the call stays: no participant in the room, no
//! port, no descriptor, no thread.

use anyhow::{Result, ensure};
use serde_json::json;
use sipbridge_tests::http::ask;
use sipbridge_tests::janus::{Janus, Options};
use sipbridge_tests::offer::offer;
use sipbridge_tests::refused::{Refusing, Story, side_by_side};
use sipbridge_tests::room::join;
use sipbridge_tests::scene::ROOM;
use sipbridge_tests::scripted::{Scripted, response, secret};
use sipbridge_tests::videoroom::VideoRoom;
use sipbridge_tests::whip::Elsewhere;
use sipbridge_tests::worker::Worker;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::runtime::Runtime;

const SCENARIO: &str = "refused_at_the_phone";
const SOON: Duration = Duration::from_secs(5);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Somebody listens in [`ROOM`] of this worker, who comes by WHEP.
fn listens(worker: &Worker) -> Result<()> {
    let bearer = format!("Bearer {}", worker.token());
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/sdp"),
    ];
    let path = format!("/whep/{ROOM}");
    let listener = ask(worker.http(), "POST", &path, &headers, &offer("recvonly"))?;
    ensure!(listener.status == 201, "{listener:?}");
    Ok(())
}

/// How many are in [`ROOM`] of this worker.
fn people(worker: &Worker) -> Result<usize> {
    let (_, room) = worker.ask("GET", &format!("/v1/rooms/{ROOM}"), None)?;
    Ok(room["participants"].as_array().map_or(0, Vec::len))
}

#[test]
fn by_the_embedded_sfu() -> Result<()> {
    let folder = format!("{SCENARIO}/embedded");
    let elsewhere = "kind = \"embedded\"\nrooms = [\"attic*\"]";
    let nowhere = Refusing::start(&format!("{folder}/missing"), LOCAL, elsewhere)?;
    nowhere.dialled()?.with(404, "has no room")?;
    let narrow = "kind = \"embedded\"\nmax_participants = 2";
    let full = Refusing::start(&format!("{folder}/full"), LOCAL, narrow)?;
    for _ in 0..2 {
        listens(&full.worker)?;
    }
    let before = people(&full.worker)?;
    full.dialled()?.with(486, "is full")?;
    ensure!(people(&full.worker)? == before, "somebody more is there");
    Ok(())
}

#[test]
fn by_janus() -> Result<()> {
    gst::init()?;
    let runtime = Runtime::new()?;
    let refusing = |folder: &str, janus: &Janus, lines: &str| {
        let lines = format!("kind = \"janus\"\nurl = \"{}\"\n{lines}", janus.url());
        let folder = format!("{SCENARIO}/janus/{folder}");
        Refusing::start(&folder, janus.media(), &lines)
    };
    let wary = runtime.block_on(Janus::start(Options {
        api_secret: Some("what it wants to hear".to_owned()),
        token_secret: Some("what it signs with".to_owned()),
        ..Options::default()
    }))?;
    let janus = runtime.block_on(Janus::start(Options::default()))?;
    let mut stories = Vec::<Story>::new();
    for key in ["api_secret_file", "token_file"] {
        let (refusing, wary) = (&refusing, &wary);
        stories.push(Box::new(move || {
            let (file, wrong) = secret(&format!("{SCENARIO}/janus"), &format!("wrong-{key}"))?;
            let stranger = refusing(key, wary, &format!("{key} = \"{file}\""))?;
            let refused = stranger.dialled()?;
            refused.with(403, "does not let us in")?;
            ensure!(!refused.log.contains(&wrong), "the secret is in the log");
            Ok(())
        }));
    }
    for (folder, server, says) in [
        ("silent", Scripted::silent()?, "within"),
        ("babbling", Scripted::babbling()?, "cannot be reached"),
    ] {
        stories.push(Box::new(move || {
            let lines = format!("kind = \"janus\"\nurl = \"ws://{}\"", server.address);
            let folder = format!("{SCENARIO}/janus/{folder}");
            let lost = Refusing::start(&folder, LOCAL, &lines)?;
            lost.dialled()?.with(503, says)
        }));
    }
    let nonsense = Scripted::websocket(json!({"janus": "success"}))?;
    stories.push(Box::new(move || {
        let lines = format!("kind = \"janus\"\nurl = \"ws://{nonsense}\"");
        let folder = format!("{SCENARIO}/janus/nonsense");
        let lost = Refusing::start(&folder, LOCAL, &lines)?;
        lost.dialled()?.with(503, "with nonsense")
    }));
    stories.push(Box::new(|| {
        by_its_rooms(&runtime, &janus, |folder, lines| {
            refusing(folder, &janus, lines)
        })
    }));
    side_by_side(stories)
}

/// A room that there is not, one with a PIN, and one that is full.
fn by_its_rooms(
    runtime: &Runtime,
    janus: &Janus,
    refusing: impl Fn(&str, &str) -> Result<Refusing>,
) -> Result<()> {
    let videoroom = runtime.block_on(VideoRoom::open(janus, |_| {}))?;
    let made = "room_create = false";
    refusing("missing", made)?
        .dialled()?
        .with(404, "has no room")?;
    runtime.block_on(videoroom.create(ROOM, 2, Some("the right one")))?;
    let (file, wrong) = secret(&format!("{SCENARIO}/janus"), "pin")?;
    for (folder, lines) in [
        ("wrong-pin", format!("room_pin_file = \"{file}\"\n{made}")),
        ("no-pin", made.to_owned()),
    ] {
        let refused = refusing(folder, &lines)?.dialled()?;
        refused.with(403, "does not let us in")?;
        ensure!(!refused.log.contains(&wrong), "the PIN is in the log");
    }
    runtime.block_on(videoroom.destroy(ROOM))?;
    runtime.block_on(videoroom.create(ROOM, 1, None))?;
    let _ann = runtime.block_on(join(janus, ROOM, "ann"))?;
    refusing("full", made)?.dialled()?.with(486, "is full")?;
    let there = runtime.block_on(videoroom.participants(ROOM))?;
    ensure!(there == ["ann"], "{there:?} are there");
    Ok(())
}

#[test]
fn by_whip() -> Result<()> {
    let folder = format!("{SCENARIO}/whip");
    let elsewhere = Elsewhere::start(&folder)?;
    let (wrong, token) = secret(&folder, "wrong-token")?;
    let right = elsewhere.worker.token_file().display().to_string();
    let refusing = |name: &str, path: &str, file: &str| {
        let lines = elsewhere.lines(path, &[]).replace(&right, file);
        Refusing::start(&format!("{folder}/{name}"), LOCAL, &lines)
    };
    // Full with four.
    for _ in 0..4 {
        listens(&elsewhere.worker)?;
    }
    let before = people(&elsewhere.worker)?;
    let mut stories: Vec<Story> = vec![
        Box::new(|| {
            let stranger = refusing("stranger", "{room}?name={participant}", &wrong)?;
            let refused = stranger.dialled()?;
            refused.with(403, "does not let us in: 401")?;
            ensure!(!refused.log.contains(&token), "the token is in the log");
            Ok(())
        }),
        Box::new(|| {
            let nowhere = refusing("missing", "attic?name={participant}", &right)?;
            nowhere.dialled()?.with(404, "has no room")
        }),
        Box::new(|| {
            let full = refusing("full", "{room}?name={participant}", &right)?;
            full.dialled()?.with(486, "is full")
        }),
    ];
    for (name, server, says) in [
        ("silent", Scripted::silent()?, "did not answer \"whip\""),
        ("babbling", Scripted::babbling()?, "with nonsense"),
    ] {
        let folder = format!("{folder}/{name}");
        stories.push(Box::new(move || {
            let lines = format!(
                "kind = \"whip\"\nwhip = \"http://{}/{{participant}}\"",
                server.address
            );
            let lost = Refusing::start(&folder, LOCAL, &lines)?;
            lost.dialled()?.with(503, says)
        }));
    }
    stories.push(Box::new(|| by_an_answer_of_nothing(&folder)));
    side_by_side(stories)?;
    let after = people(&elsewhere.worker)?;
    ensure!(after == before, "{after} are there, not {before}");
    Ok(())
}

/// A session is made, and its description begins as one and says no more. It is ended.
fn by_an_answer_of_nothing(folder: &str) -> Result<()> {
    let server = Scripted::start(|asked| {
        let made = "Content-Type: application/sdp\r\nLocation: /session/7\r\n";
        Some(match asked.starts_with("POST ") {
            true => response("201 Created", made, "v=0\r\n"),
            false => response("200 OK", "", ""),
        })
    })?;
    let lines = format!(
        "kind = \"whip\"\nwhip = \"http://{}/{{participant}}\"",
        server.address
    );
    let lost = Refusing::start(&format!("{folder}/nothing"), LOCAL, &lines)?;
    lost.dialled()?.with(503, "description")?;
    server.is_asked("DELETE /session/7 ", SOON)
}

#[test]
fn by_plain_rtp() -> Result<()> {
    let folder = format!("{SCENARIO}/rtp");
    let (file, token) = secret(&folder, "rtp-token")?;
    let says = |status: &str, body: &str| {
        let answer = response(status, "", body);
        Scripted::start(move |_| Some(answer.clone()))
    };
    let no = "{\"error\":\"not you\"}";
    let mut stories = Vec::<Story>::new();
    for (name, server, code, why) in [
        ("stranger", says("403 Forbidden", no)?, 403, "not you"),
        ("missing", says("404 Not Found", no)?, 404, "has no room"),
        ("full", says("429 Too Many Requests", no)?, 486, "is full"),
        ("nonsense", says("200 OK", "welcome")?, 503, "with nonsense"),
        ("babbling", Scripted::babbling()?, 503, "with nonsense"),
        (
            "silent",
            Scripted::silent()?,
            503,
            "did not answer \"join\"",
        ),
    ] {
        let (file, token) = (&file, &token);
        let folder = format!("{folder}/{name}");
        stories.push(Box::new(move || {
            let lines = format!(
                "kind = \"rtp\"\nurl = \"http://{}/rtp\"\ntoken_file = \"{file}\"\nanswer_within = \"1s\"",
                server.address
            );
            let refused = Refusing::start(&folder, LOCAL, &lines)?.dialled()?;
            refused.with(code, why)?;
            ensure!(!refused.log.contains(token), "the token is in the log");
            Ok(())
        }));
    }
    side_by_side(stories)
}
