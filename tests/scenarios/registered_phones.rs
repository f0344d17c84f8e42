// SPDX-License-Identifier: MPL-2.0
//! Stock phones of two makes, over UDP and over TCP, with the worker as their only server: they register,
//! call a room, put it on hold and take it back, hang up, and are called. Every word is checked on both
//! sides. They do so at the same time, each in a room of its own; over TCP with SRTP.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::both_ways::BothWays;
use sipbridge_tests::phone::{Account, Make};
use sipbridge_tests::put;
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene};
use sipbridge_tests::talk::{ACQUAINTED, Talk};
use sipbridge_tests::together::together;
use sipbridge_tests::worker::room_is_heard;
use std::time::Duration;

const SCENARIO: &str = "registered_phones";
const PASSWORD: &str = "open-sesame";
const SOON: Duration = Duration::from_secs(5);
/// Until a change of the media has reached both ends, and what is to be said is at hand.
const SETTLED: Duration = Duration::from_millis(500);
const SILENT_DBFS: f32 = -60.0;

/// Somebody with a phone, whose calls lead to the room of their name.
struct User {
    name: &'static str,
    make: Make,
    transport: &'static str,
    /// What the worker is told about it: those whose calls must be encrypted have phones that insist, too;
    /// the others' know nothing of it.
    srtp: &'static str,
}

const USERS: [User; 4] = [
    User {
        name: "alice",
        make: Make::Baresip,
        transport: "udp",
        srtp: "optional",
    },
    User {
        name: "bob",
        make: Make::Baresip,
        transport: "tcp",
        srtp: "required",
    },
    User {
        name: "carol",
        make: Make::Linphone,
        transport: "udp",
        srtp: "optional",
    },
    User {
        name: "dave",
        make: Make::Linphone,
        transport: "tcp",
        srtp: "required",
    },
];

/// What was said, and heard of it.
struct Told {
    said: Talk,
    /// During the call, the hold, the rest of the call, and the call from the room.
    in_room: [Wave; 4],
    by_phone: Wave,
}

#[test]
fn registered_phones() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let password = put(SCENARIO, "password", PASSWORD)?;
    let users = USERS.each_ref().map(|user| {
        format!(
            "[[user]]
name = \"{}\"
password_file = \"{}\"
srtp = \"{}\"

",
            user.name,
            password.display(),
            user.srtp,
        )
    });
    let route = format!(
        "[[route]]
user = \"*\"
to = \"{NUMBER}\"
room = \"{{user}}\"
answer = \"at-once\"
"
    );
    let scene = Scene::open(SCENARIO, &(users.concat() + &route))?;
    let told = together(&USERS, |user| story(&scene, user).context(user.name))?;
    // Only now, for it takes the processor from those who speak.
    for (user, told) in USERS.iter().zip(&told) {
        judge(user, told)?;
    }
    Ok(())
}

fn story(scene: &Scene, user: &User) -> Result<Told> {
    let &User {
        name,
        transport,
        srtp,
        ..
    } = user;
    let encrypted = srtp == "required";
    let worker = &scene.worker;
    let host = scene.join_room(name, "host")?;
    let talk = Talk::new(4)?;
    let account = Account {
        name,
        password: PASSWORD,
        registrar: worker.sip(),
        transport,
        srtp: encrypted,
    };
    let mut phone = user
        .make
        .register(SCENARIO, account, &talk.phone_says.plays())?;

    phone.dial(&worker.uri(NUMBER))?;
    phone.wait_established(SOON)?;
    let calling = scene.wait(host.hears(name, SOON))?;
    let of_user = |call: &Value| call["user"] == name && call["state"] == "active";
    let as_agreed = |call: &Value| call["media"]["phone"]["srtp"].is_string() == encrypted;
    worker.until_call("are connected", SOON, |call| {
        of_user(call) && room_is_heard(call) && as_agreed(call)
    })?;
    let up = talk.turn(scene, &host, 0, ACQUAINTED);

    phone.hold()?;
    worker.until_call("are held by the phone", SOON, |call| {
        of_user(call) && call["held_by_phone"] == true
    })?;
    let held = talk.turn(scene, &host, 1, SETTLED);

    phone.resume()?;
    worker.until_call("are resumed", SOON, |call| {
        of_user(call) && call["held_by_phone"] != true && as_agreed(call)
    })?;
    let resumed = talk.turn(scene, &host, 2, SETTLED);
    phone.hang_up()?;
    phone.wait_closed(SOON)?;
    host.sees_gone(name, GONE_WITHIN)?;

    let ways = BothWays {
        scene,
        room: name,
        host: &host,
        talk: &talk,
        name,
    };
    let up_again = ways.is_called(&mut *phone, None, 3, as_agreed)?;
    Ok(Told {
        in_room: [
            talk.heard(&calling.recording, up),
            talk.heard(&calling.recording, held),
            talk.heard(&calling.recording, resumed),
            up_again,
        ],
        said: talk,
        by_phone: phone.into_heard()?,
    })
}

fn judge(user: &User, told: &Told) -> Result<()> {
    let name = user.name;
    let Told {
        said,
        in_room: [up, held, resumed, up_again],
        by_phone,
    } = told;
    let in_room = |heard: &Wave, what: &str| {
        said.phone_says
            .assert_heard_in(heard, SCENARIO, &format!("{name}{what} to room"))
    };
    in_room(up, "")?;
    match user.make {
        // It sends nothing.
        Make::Baresip => {
            let level = held.level_dbfs();
            ensure!(
                level < SILENT_DBFS,
                "{name}, who holds the room, is heard in it at {level:.0} dBFS"
            );
        }
        // It sends its file, as the music that those on hold are given; the room gets to hear it.
        Make::Linphone => drop(in_room(held, "'s music")?),
    }
    in_room(resumed, " after hold")?;
    in_room(up_again, " called")?;

    for (turn, what) in [(0, ""), (2, " after hold"), (3, " that calls")] {
        let direction = format!("room{what} to {name}");
        said.room_says[turn].assert_heard_in(by_phone, SCENARIO, &direction)?;
    }
    ensure!(
        said.room_says[1].marker.find(by_phone).is_none(),
        "{name} hears the room on hold"
    );
    Ok(())
}
