// SPDX-License-Identifier: MPL-2.0
//! Kamailio as registrar and proxy in front: the worker registers with it as two trunks, one over UDP and
//! one over TCP. Two phones of different make behind it call the worker's numbers and are called by the
//! worker, at the same time, Kamailio staying in the path of each call.

use anyhow::{Context as _, Result};
use serde_json::json;
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::kamailio::{Kamailio, OTHER_TRUNK, PASSWORD, TRUNK};
use sipbridge_tests::out_dir;
use sipbridge_tests::phone::{Account, Make};
use sipbridge_tests::scene::{GONE_WITHIN, Scene};
use sipbridge_tests::talk::{ACQUAINTED, Talk};
use sipbridge_tests::together::together;
use sipbridge_tests::worker::room_is_heard;
use std::net::SocketAddr;
use std::time::Duration;

const SCENARIO: &str = "kamailio_in_front";
const SOON: Duration = Duration::from_secs(5);

/// Somebody with a phone.
struct User {
    name: &'static str,
    make: Make,
    transport: &'static str,
    /// Which leads to a trunk of the other transport.
    number: &'static str,
    /// The trunk they are called by, of the same transport.
    trunk: &'static str,
    room: &'static str,
}

const USERS: [User; 2] = [
    User {
        name: "alice",
        make: Make::Baresip,
        transport: "udp",
        number: "2000",
        trunk: "udp",
        room: "lobby",
    },
    User {
        name: "bob",
        make: Make::Linphone,
        transport: "tcp",
        number: "1000",
        trunk: "tcp",
        room: "hall",
    },
];

/// What was said, and heard of it.
struct Told {
    said: Talk,
    /// During the call, and the call from the room.
    in_room: [Wave; 2],
    by_phone: Wave,
}

#[test]
fn kamailio_in_front() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let folder = out_dir(SCENARIO);
    std::fs::create_dir_all(&folder)?;
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD)?;
    let kamailio = Kamailio::start(SCENARIO)?;
    let proxy = kamailio.address();
    let trunks = [("udp", TRUNK), ("tcp", OTHER_TRUNK)].map(|(transport, user)| {
        format!(
            "[[trunk]]
name = \"{transport}\"
uri = \"sip:{proxy};transport={transport}\"
register = true
username = \"{user}\"
password_file = \"{}\"
dial_allow = [\"*\"]

",
            password.display(),
        )
    });
    let routes = USERS.each_ref().map(|user| {
        format!(
            "[[route]]
to = \"{}\"
room = \"{}\"
answer = \"at-once\"

",
            user.number, user.room
        )
    });
    let mut scene = Scene::open(SCENARIO, &[trunks, routes].concat().concat())?;
    for user in [TRUNK, OTHER_TRUNK] {
        kamailio.wait_registered(user, SOON)?;
    }
    let registrations = scene.worker.until_registered(SOON)?;
    assert_eq!(registrations["trunks"].as_array().map(Vec::len), Some(2));
    assert!(!registrations.to_string().contains(PASSWORD));

    let told = together(&USERS, |user| story(&scene, proxy, user).context(user.name))?;
    // Only now, for it takes the processor from those who speak.
    for (user, told) in USERS.iter().zip(&told) {
        judge(user, told)?;
    }

    // All calls went through it to their end: the dialogs kept to the recorded route.
    let byes = kamailio.requests("BYE");
    assert_eq!(byes.len(), 2 * USERS.len(), "{byes:?}");
    scene.worker.process().terminate()?;
    for user in [TRUNK, OTHER_TRUNK] {
        kamailio.wait_unregistered(user, SOON)?;
    }
    Ok(())
}

fn story(scene: &Scene, proxy: SocketAddr, user: &User) -> Result<Told> {
    let User { name, room, .. } = user;
    let worker = &scene.worker;
    let host = scene.join_room(room, "host")?;
    let talk = Talk::new(2)?;
    let account = Account {
        name,
        password: PASSWORD,
        registrar: proxy,
        transport: user.transport,
        srtp: false,
    };
    let mut phone = user
        .make
        .register(SCENARIO, account, &talk.phone_says.plays())?;

    let number = user.number;
    phone.dial(&format!("sip:{number}@{proxy}"))?;
    phone.wait_established(SOON)?;
    let calling = scene.wait(host.hears(name, SOON))?;
    worker.until_call("are connected", SOON, |call| {
        call["to"] == number && room_is_heard(call)
    })?;
    let up = talk.turn(scene, &host, 0, ACQUAINTED);
    phone.hang_up()?;
    phone.wait_closed(SOON)?;
    host.sees_gone(name, GONE_WITHIN)?;

    let wanted = json!({
        "to": name,
        "trunk": user.trunk,
        "room": room,
        "participant": "guest",
        "name": "Guest"
    });
    let id = worker.call(&wanted)?;
    phone.wait_established(SOON)?;
    let called = scene.wait(host.hears("Guest", SOON))?;
    worker.until_call("are connected", SOON, |call| {
        call["id"] == *id && room_is_heard(call)
    })?;
    let up_again = talk.turn(scene, &host, 1, ACQUAINTED);
    worker.hang_up(&id)?;
    phone.wait_closed(SOON)?;
    host.sees_gone("Guest", GONE_WITHIN)?;

    Ok(Told {
        in_room: [
            talk.heard(&calling.recording, up),
            talk.heard(&called.recording, up_again),
        ],
        said: talk,
        by_phone: phone.into_heard()?,
    })
}

fn judge(user: &User, told: &Told) -> Result<()> {
    let name = user.name;
    for (turn, what) in [(0, "calling"), (1, "called")] {
        let to_room = format!("{name} {what} to room");
        told.said
            .phone_says
            .assert_heard_in(&told.in_room[turn], SCENARIO, &to_room)?;
        let to_phone = format!("room to {name} {what}");
        told.said.room_says[turn].assert_heard_in(&told.by_phone, SCENARIO, &to_phone)?;
    }
    Ok(())
}
