// SPDX-License-Identifier: MPL-2.0
//! Between a stock phone and the worker, its registrar, stands a Kamailio that puts itself into the Path (RFC 3327):
//! calls to the phone come by it, over the TCP of which the worker knows nothing. Both directions are heard, when the
//! phone calls and when it is called.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::kamailio::Kamailio;
use sipbridge_tests::out_dir;
use sipbridge_tests::phone::{Account, Make};
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, ROOM, Scene};
use sipbridge_tests::talk::{ACQUAINTED, Talk};
use sipbridge_tests::worker::room_is_heard;
use std::time::Duration;

const SCENARIO: &str = "a_phone_behind_an_edge_proxy";
const PASSWORD: &str = "open-sesame";
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_phone_behind_an_edge_proxy() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let folder = out_dir(SCENARIO);
    std::fs::create_dir_all(&folder)?;
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD)?;
    let tables = format!(
        "[[user]]
name = \"alice\"
password_file = \"{}\"

[[route]]
user = \"alice\"
to = \"{NUMBER}\"
room = \"{ROOM}\"
answer = \"at-once\"
",
        password.display()
    );
    let scene = Scene::open(SCENARIO, &tables)?;
    let worker = &scene.worker;
    let edge = Kamailio::start_before(SCENARIO, worker.sip())?;
    let host = scene.join("host")?;
    let talk = Talk::new(2)?;
    let account = Account {
        name: "alice",
        password: PASSWORD,
        registrar: edge.address(),
        transport: "tcp",
        srtp: false,
    };
    let says = talk.phone_says.plays();
    let mut phone = Make::Baresip.register(SCENARIO, account, &says)?;
    let registered = worker.until_registered(SOON)?;
    let path = registered["users"][0]["contacts"][0]["path"][0].as_str();
    let here = edge.address().to_string();
    ensure!(
        path.is_some_and(|path| path.contains(&here)),
        "{registered}"
    );

    phone.dial(&format!("sip:{NUMBER}@{}", edge.address()))?;
    phone.wait_established(SOON)?;
    let calling = scene.wait(host.hears("alice", SOON))?;
    worker.until_call("are connected", SOON, |call| {
        call["user"] == "alice" && room_is_heard(call)
    })?;
    let up = talk.turn(&scene, &host, 0, ACQUAINTED);
    phone.hang_up()?;
    phone.wait_closed(SOON)?;
    host.sees_gone("alice", GONE_WITHIN)?;

    let wanted = json!({ "to": "alice", "room": ROOM, "participant": "guest", "name": "Guest" });
    let id = worker.call(&wanted)?;
    phone.wait_established(SOON)?;
    let called = scene.wait(host.hears("Guest", SOON))?;
    worker.until_call("are connected", SOON, |call| {
        call["id"] == *id && room_is_heard(call)
    })?;
    let up_again = talk.turn(&scene, &host, 1, ACQUAINTED);
    worker.hang_up(&id)?;
    phone.wait_closed(SOON)?;
    host.sees_gone("Guest", GONE_WITHIN)?;

    // The phone's own, with credentials and without, and that to it; and the end of either.
    let from_worker = format!("from {} over udp", worker.sip());
    let came = |method: &str| {
        let requests = edge.requests(method);
        let of_worker = requests.iter().filter(|line| line.ends_with(&from_worker));
        (of_worker.count(), requests.len())
    };
    ensure!(came("INVITE").0 == 1, "{:?}", edge.requests("INVITE"));
    ensure!(came("BYE") == (1, 2), "{:?}", edge.requests("BYE"));

    let by_phone = phone.into_heard()?;
    for (turn, recording, from) in [(0, &calling, up), (1, &called, up_again)] {
        let heard = talk.heard(&recording.recording, from);
        let direction = format!("alice to room, call {turn}");
        let in_room = talk
            .phone_says
            .assert_heard_in(&heard, SCENARIO, &direction);
        in_room.context("in the room")?;
        let direction = format!("room to alice, call {turn}");
        talk.room_says[turn].assert_heard_in(&by_phone, SCENARIO, &direction)?;
    }
    Ok(())
}
