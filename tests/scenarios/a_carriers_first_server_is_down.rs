// SPDX-License-Identifier: MPL-2.0
//! A trunk's domain has two servers (SRV), and the first one is dead: the second one carries the call
//! within a second, and the next call at once. `/metrics` says which one is down.

use anyhow::{Result, ensure};
use serde_json::json;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::name_server::NameServer;
use sipbridge_tests::scene::{ROOM, Scene, Setup, trunk_to};
use sipbridge_tests::speech::Speech;
use std::net::UdpSocket;
use std::time::Duration;

const SCENARIO: &str = "a_carriers_first_server_is_down";
const DOMAIN: &str = "carrier.example";
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_carriers_first_server_is_down() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let phone_says = Speech::phone()?;
    let plays = phone_says.between(Duration::from_secs(1), Duration::from_secs(20));
    let options = Options {
        auto_answer: true,
        ..Options::new("bob", &plays)
    };
    let mut phone = Baresip::start(SCENARIO, &options)?;

    // It takes everything and says nothing.
    let dead = UdpSocket::bind("127.0.0.1:0")?;
    let dead_at = dead.local_addr()?;
    let names = NameServer::start()?;
    names.servers(DOMAIN, &[dead_at.port(), phone.address().port()]);
    let setup = Setup {
        sip: format!("nameservers = [\"{}\"]", names.addr()),
        ..Setup::default()
    };
    let scene = Scene::open_with(SCENARIO, &trunk_to(&format!("sip:{DOMAIN}")), setup)?;
    let host = scene.join("host")?;

    let call = || {
        let wanted = json!({ "to": "bob", "trunk": "phones", "room": ROOM, "name": "Bob" });
        scene.worker.reaches(&wanted, SOON)
    };
    let (id, took) = call()?;
    ensure!((400.0..1_000.0).contains(&took), "{took} ms");
    let heard = scene.wait(host.hears("Bob", SOON))?;
    let spoken = phone_says.wave.duration() + Duration::from_secs(1);
    scene
        .wait(async { tokio::time::timeout(spoken + SOON, heard.recording.lasts(spoken)).await })?;
    scene.worker.hang_up(&id)?;
    phone.wait_closed(Duration::from_secs(2))?;
    phone_says.assert_heard_in(&heard.recording.wave(), SCENARIO, "phone to room")?;

    let (id, took) = call()?;
    ensure!(took < 400.0, "{took} ms");
    scene.worker.hang_up(&id)?;

    let metrics = scene.worker.metrics()?;
    for (server, up) in [(dead_at, 0), (phone.address(), 1)] {
        let line =
            format!("sipbridge_trunk_server_up{{trunk=\"phones\",server=\"udp:{server}\"}} {up}\n");
        ensure!(metrics.contains(&line), "{line} is missing: {metrics}");
    }
    dead.set_nonblocking(true)?;
    let mut packet = [0; 4096];
    let length = dead.recv(&mut packet)?;
    ensure!(packet[..length].starts_with(b"INVITE sip:bob@carrier.example SIP/2.0\r\n"));
    ensure!(
        dead.recv(&mut packet).is_err(),
        "the dead one was asked again"
    );
    Ok(())
}
