// SPDX-License-Identifier: MPL-2.0
//! A phone calls a room and both hear each other, in every codec there is: four phones at the same time, each
//! in a room of its own. Two more do so by the graph of stock elements.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{Wave, compare};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{GONE_WITHIN, Scene, Setup};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::together::together;
use std::time::{Duration, Instant};

const SCENARIO: &str = "phone_and_room_hear_each_other";

/// A worker's graph and a phone's codec, which is also the name of the phone and the room.
const CALLS: [(&str, &str); 6] = [
    ("room", "PCMU"),
    ("room", "PCMA"),
    ("room", "G722"),
    ("room", "opus"),
    ("room-stock", "PCMU"),
    ("room-stock", "opus"),
];

/// What was said, and heard of it.
struct Told {
    phone_says: Speech,
    room_says: Speech,
    in_room: Wave,
    by_phone: Wave,
}

#[test]
fn phone_and_room_hear_each_other() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let tables = "[[trunk]]
name = \"phones\"
allow = [\"127.0.0.0/8\"]

[[route]]
to = \"*\"
room = \"{to}\"
answer = \"at-once\"
";
    let by = |graph: &str| {
        let setup = Setup {
            media: format!("pipeline = \"{graph}\""),
            ..Setup::default()
        };
        Scene::open_with(&folder(graph), tables, setup)
    };
    let (room, stock) = (by("room")?, by("room-stock")?);
    let told = together(&CALLS, |(graph, codec)| {
        let scene = if *graph == "room" { &room } else { &stock };
        call(scene, graph, codec).context(format!("{codec} by {graph}"))
    })?;
    // Only now, for it takes the processor from those who speak.
    for ((graph, codec), told) in CALLS.iter().zip(&told) {
        judge(graph, codec, told).context(format!("by {graph}"))?;
    }
    Ok(())
}

fn folder(graph: &str) -> String {
    format!("{SCENARIO}/{graph}")
}

fn call(scene: &Scene, graph: &str, codec: &str) -> Result<Told> {
    let host = scene.join_room(codec, "host")?;
    let (phone_says, room_says) = (Speech::phone()?, Speech::room()?);
    // The phone's file plays from the answer on and hangs up at its end: time to connect in front,
    // time for the room's longer words behind.
    let plays = phone_says.between(Duration::from_secs(3), Duration::from_secs(5));
    let mut phone = Baresip::start(
        &folder(graph),
        &Options {
            codec,
            ..Options::new(codec, &plays)
        },
    )?;

    phone.dial(&scene.worker.uri(codec))?;
    phone.wait_established(Duration::from_secs(10))?;
    let heard = scene.wait(host.hears(codec, Duration::from_secs(3)))?;
    host.say(
        &room_says.wave,
        Instant::now() + Duration::from_millis(1_500),
    );
    phone.wait_closed(Duration::from_secs(30))?;
    host.sees_gone(codec, GONE_WITHIN)?;
    Ok(Told {
        phone_says,
        room_says,
        in_room: heard.recording.wave(),
        by_phone: phone.into_heard().context("the phone's recording")?,
    })
}

fn judge(graph: &str, codec: &str, told: &Told) -> Result<()> {
    let Told {
        phone_says,
        room_says,
        in_room,
        by_phone,
    } = told;
    let folder = folder(graph);
    phone_says.assert_heard_in(in_room, &folder, &format!("phone to room in {codec}"))?;
    room_says.assert_heard_in(by_phone, &folder, &format!("room to phone in {codec}"))?;

    // What these assertions are worth: nothing else passes for the right speech.
    ensure!(
        !compare(&room_says.wave, in_room).is_good(),
        "{codec}: the opposite direction"
    );
    ensure!(
        !compare(&phone_says.wave, by_phone).is_good(),
        "{codec}: an echo of oneself"
    );
    ensure!(
        room_says.marker.find(in_room).is_none(),
        "{codec}: the other marker"
    );
    ensure!(
        Speech::phone()?.marker.find(in_room).is_none(),
        "{codec}: a marker of another run"
    );
    Ok(())
}
