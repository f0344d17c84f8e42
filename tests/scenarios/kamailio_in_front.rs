// SPDX-License-Identifier: MPL-2.0
//! Kamailio as registrar and proxy in front: the worker registers with it as two trunks, one over UDP and
//! one over TCP. Two phones of different make behind it call the worker's numbers and are called by the
//! worker, at the same time, Kamailio staying in the path of each call.

use anyhow::{Context as _, Result};
use serde_json::Value;
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::both_ways::BothWays;
use sipbridge_tests::kamailio::{Kamailio, OTHER_TRUNK, PASSWORD, TRUNK};
use sipbridge_tests::phone::{Account, Make};
use sipbridge_tests::put;
use sipbridge_tests::scene::Scene;
use sipbridge_tests::talk::Talk;
use sipbridge_tests::together::together;
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
    let password = put(SCENARIO, "password", PASSWORD)?;
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
        let Told { said, .. } = told;
        said.assert_heard(SCENARIO, user.name, &told.in_room, &told.by_phone)?;
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
    let ways = BothWays {
        scene,
        room,
        host: &host,
        talk: &talk,
        name,
    };
    let to_number = |call: &Value| call["to"] == number;
    let uri = format!("sip:{number}@{proxy}");
    Ok(Told {
        in_room: [
            ways.calls(&mut *phone, &uri, 0, to_number)?,
            ways.is_called(&mut *phone, Some(user.trunk), 1, |_| true)?,
        ],
        said: talk,
        by_phone: phone.into_heard()?,
    })
}
