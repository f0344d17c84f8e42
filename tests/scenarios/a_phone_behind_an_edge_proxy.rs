// SPDX-License-Identifier: MPL-2.0
//! Between a stock phone and the worker, its registrar, stands a Kamailio that puts itself into the Path (RFC 3327):
//! calls to the phone come by it, over the TCP of which the worker knows nothing. Both directions are heard, when the
//! phone calls and when it is called.

use anyhow::{Result, ensure};
use serde_json::Value;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::both_ways::BothWays;
use sipbridge_tests::kamailio::Kamailio;
use sipbridge_tests::phone::{Account, Make};
use sipbridge_tests::put;
use sipbridge_tests::scene::{NUMBER, ROOM, Scene};
use sipbridge_tests::talk::Talk;
use std::time::Duration;

const SCENARIO: &str = "a_phone_behind_an_edge_proxy";
const PASSWORD: &str = "open-sesame";
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_phone_behind_an_edge_proxy() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let password = put(SCENARIO, "password", PASSWORD)?;
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

    let ways = BothWays {
        scene: &scene,
        room: ROOM,
        host: &host,
        talk: &talk,
        name: "alice",
    };
    let of_user = |call: &Value| call["user"] == "alice";
    let uri = format!("sip:{NUMBER}@{}", edge.address());
    let in_room = [
        ways.calls(&mut *phone, &uri, 0, of_user)?,
        ways.is_called(&mut *phone, None, 1, of_user)?,
    ];

    // The phone's own, with credentials and without, and that to it; and the end of either.
    let from_worker = format!("from {} over udp", worker.sip());
    let came = |method: &str| {
        let requests = edge.requests(method);
        let of_worker = requests.iter().filter(|line| line.ends_with(&from_worker));
        (of_worker.count(), requests.len())
    };
    ensure!(came("INVITE").0 == 1, "{:?}", edge.requests("INVITE"));
    ensure!(came("BYE") == (1, 2), "{:?}", edge.requests("BYE"));

    talk.assert_heard(SCENARIO, "alice", &in_room, &phone.into_heard()?)
}
