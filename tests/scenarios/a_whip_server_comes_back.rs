// SPDX-License-Identifier: MPL-2.0
//! A phone and somebody else are in a room of a server that they reach by WHIP and WHEP, each hearing all but
//! themselves at an endpoint of their own. The server is killed and started again after five seconds: the call
//! stays up, the phone hears comfort noise meanwhile, and within three seconds of the server's return it hears and
//! is heard again.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::comeback::{AWAY, Afterwards, BACK_WITHIN, Outage};
use sipbridge_tests::room::called;
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::whip::Elsewhere;
use sipbridge_tests::worker::{Settings, Worker, room_is_heard};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_whip_server_comes_back";
/// After the answer. Everything that is to break has broken, and is whole again.
const SPEAKS_AT: Duration = Duration::from_secs(17);
/// Until the break is noticed and the phone's jitter buffer is empty.
const NOTICED: Duration = Duration::from_millis(1_500);
const SPEAKS: &str = "{room}?name={name}";
const HEARS: &str = "{room}?participant={session}";

#[test]
fn a_whip_server_comes_back() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let mut elsewhere = Elsewhere::start(SCENARIO)?;
    let lines = elsewhere.lines(SPEAKS, &[HEARS]);
    let settings = Settings {
        tables: format!(
            "[[sfu]]\nname = \"main\"\n{lines}\n\n{}",
            open_house("at-once")
        ),
        ..Settings::default()
    };
    let worker = Worker::start_with(SCENARIO, Ipv4Addr::LOCALHOST.into(), &settings)?;
    let afterwards = Afterwards::new(SCENARIO, SPEAKS_AT)?;
    let plays = afterwards.alice_plays();
    let mut alice = Baresip::start(SCENARIO, &Options::new("alice", &plays))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let enter = |elsewhere: &Elsewhere| {
        runtime.block_on(elsewhere.join(ROOM, called("host"), SPEAKS, &[HEARS]))
    };
    let before = enter(&elsewhere)?;
    alice.dial(&worker.uri(NUMBER))?;
    alice.wait_established(Duration::from_secs(10))?;
    let answered = Instant::now();
    worker.until_call("hears the room", Duration::from_secs(5), room_is_heard)?;

    let began = Instant::now();
    elsewhere.worker.kill()?;
    let away = worker.until_call("is away", AWAY / 2, |call| call["away"].is_string())?;
    ensure!(away["state"] == "active", "the call stays up: {away}");
    drop(before);
    std::thread::sleep(AWAY.saturating_sub(began.elapsed()));
    elsewhere.worker.revive()?;
    let over = Instant::now();
    let host = enter(&elsewhere)?;
    let whole = |call: &serde_json::Value| call["away"].is_null() && room_is_heard(call);
    let back = worker.until_call("is back and hears", BACK_WITHIN, whole)?;
    ensure!(back["state"] == "active", "the call is up: {back}");
    println!("back {:?} after the server's return", over.elapsed());
    let patience = BACK_WITHIN.saturating_sub(over.elapsed());
    let heard = runtime.block_on(host.until("hearing the room", patience, |seen| {
        let heard = seen.heard.iter().find(|heard| heard.connected);
        heard.cloned()
    }))?;
    afterwards.host_answers(&host, answered)?;
    alice.wait_closed(Duration::from_secs(40))?;

    afterwards.assert_room_heard(&heard.recording.wave())?;
    let at_alice = alice.into_heard()?;
    afterwards.assert_alice_heard(&at_alice)?;
    let outage = Outage { began, over };
    outage
        .assert_bridged(&at_alice, answered, NOTICED)
        .context("while the server was away")
}
