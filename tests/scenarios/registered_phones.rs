// SPDX-License-Identifier: MPL-2.0
//! Stock phones with the worker as their only server: they register, call a room, put it on hold and take
//! it back, hang up, and are called. Every word is checked on both sides.
//!
//! Alice's phone does so over UDP, and Bob's, of the same make and at the same time, over TCP.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sip_worker::measure::ROOM_SPEECH;
use sipbridge_tests::out_dir;
use sipbridge_tests::phone::{Account, Make};
use sipbridge_tests::refrain::Refrain;
use sipbridge_tests::scene::{GONE_WITHIN, Scene};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::worker::room_is_heard;
use std::time::{Duration, Instant};

const PASSWORD: &str = "open-sesame";
const SOON: Duration = Duration::from_secs(5);
/// What the room says each time.
const WORDS: Duration = Duration::from_millis(1_500);
/// Until a change of the media has reached both ends, and what is to be said is at hand.
const SETTLED: Duration = Duration::from_millis(500);
const SILENT_DBFS: f32 = -60.0;

/// Somebody with a phone.
struct User {
    name: &'static str,
    transport: &'static str,
    number: &'static str,
    room: &'static str,
}

const USERS: [User; 2] = [
    User {
        name: "alice",
        transport: "udp",
        number: "1000",
        room: "lobby",
    },
    User {
        name: "bob",
        transport: "tcp",
        number: "2000",
        room: "hall",
    },
];

#[test]
fn baresip() -> Result<()> {
    stories("registered_baresip", Make::Baresip)
}

#[test]
fn linphone() -> Result<()> {
    stories("registered_linphone", Make::Linphone)
}

fn stories(scenario: &str, make: Make) -> Result<()> {
    let folder = out_dir(scenario);
    std::fs::create_dir_all(&folder)?;
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD)?;
    let tables: String = USERS
        .iter()
        .map(|user| {
            format!(
                "[[user]]
name = \"{}\"
password_file = \"{}\"

[[route]]
user = \"{}\"
to = \"{}\"
room = \"{}\"
answer = \"at-once\"

",
                user.name,
                password.display(),
                user.name,
                user.number,
                user.room
            )
        })
        .collect();
    let scene = &Scene::open(scenario, &tables)?;
    std::thread::scope(|threads| {
        let stories = USERS.each_ref().map(|user| {
            threads.spawn(move || story(scenario, scene, make, user).context(user.name))
        });
        stories.into_iter().try_for_each(|story| {
            story
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

fn story(scenario: &str, scene: &Scene, make: Make, user: &User) -> Result<()> {
    let &User {
        name,
        transport,
        number,
        room,
    } = user;
    let worker = &scene.worker;
    let host = scene.join_room(room, "host")?;
    let says = Refrain::new()?;
    let room_says = (0..4)
        .map(|turn| Speech::stretch(ROOM_SPEECH, WORDS * turn, WORDS))
        .collect::<Result<Vec<_>>>()?;
    // Both speak for as long as the phone's refrain takes; returns when that began.
    let speak = |turn: usize| {
        let from = Instant::now() + SETTLED;
        host.say(&room_says[turn].wave, from);
        scene.pass(from + says.stretch());
        from
    };
    let account = Account {
        name,
        password: PASSWORD,
        registrar: worker.sip(),
        transport,
    };
    let mut phone = make.register(scenario, account, &says.plays())?;

    phone.dial(&worker.uri(number))?;
    phone.wait_established(SOON)?;
    let heard = scene.wait(host.hears(name, SOON))?;
    let of_user = |call: &Value| call["user"] == name && call["state"] == "active";
    worker.until_call("are connected", SOON, |call| {
        of_user(call) && room_is_heard(call)
    })?;
    let up = speak(0);

    phone.hold()?;
    worker.until_call("are held by the phone", SOON, |call| {
        of_user(call) && call["held_by_phone"] == true
    })?;
    let held = speak(1);

    phone.resume()?;
    worker.until_call("are resumed", SOON, |call| {
        of_user(call) && call["held_by_phone"] != true
    })?;
    let resumed = speak(2);
    phone.hang_up()?;
    phone.wait_closed(SOON)?;
    host.sees_gone(name, GONE_WITHIN)?;

    let in_room = |from| heard.recording.between(from, from + says.stretch());
    says.assert_heard_in(&in_room(up), scenario, &format!("{name} to room"))?;
    let on_hold = in_room(held);
    match make {
        // It sends nothing.
        Make::Baresip => {
            let level = on_hold.level_dbfs();
            ensure!(
                level < SILENT_DBFS,
                "who holds the room is heard in it, at {level:.0} dBFS"
            );
        }
        // It sends its file, as the music that those on hold are given; the room gets to hear it.
        Make::Linphone => {
            says.assert_heard_in(&on_hold, scenario, &format!("{name}'s music to room"))?;
        }
    }
    let after_hold = format!("{name} to room after hold");
    says.assert_heard_in(&in_room(resumed), scenario, &after_hold)?;

    let wanted = json!({ "to": name, "room": room, "participant": "guest", "name": "Guest" });
    let (status, call) = worker.ask("POST", "/v1/calls", Some(&wanted))?;
    ensure!(status == 201, "{status} {call}");
    let id = call["id"].as_str().context("a call has an id")?;
    phone.wait_established(SOON)?;
    let heard = scene.wait(host.hears("Guest", SOON))?;
    worker.until_call("are connected", SOON, |call| {
        call["id"] == id && room_is_heard(call)
    })?;
    let up = speak(3);
    let (status, answer) = worker.ask("DELETE", &format!("/v1/calls/{id}"), None)?;
    ensure!((200..300).contains(&status), "{status} {answer}");
    phone.wait_closed(SOON)?;
    host.sees_gone("Guest", GONE_WITHIN)?;
    let in_room = heard.recording.between(up, up + says.stretch());
    says.assert_heard_in(&in_room, scenario, &format!("{name} called to room"))?;

    let by_phone = phone.into_heard()?;
    for (turn, what) in [(0, ""), (2, " after hold"), (3, " that calls")] {
        let direction = format!("room{what} to {name}");
        room_says[turn].assert_heard_in(&by_phone, scenario, &direction)?;
    }
    ensure!(
        room_says[1].marker.find(&by_phone).is_none(),
        "a room on hold is heard"
    );
    Ok(())
}
