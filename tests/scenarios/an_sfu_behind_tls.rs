// SPDX-License-Identifier: MPL-2.0
//! The SFU's WebSocket speaks TLS: with a worker that believes its authority a phone and the room hear each
//! other; who does not believe it does not connect, and is told why.

use anyhow::{Context as _, Result, ensure};
use sip_ua::agent::{Tls, TlsFiles};
use sip_worker::demo::janus::Options as JanusOptions;
use sip_worker::measure::steady::steadily;
use sip_worker::sfu::Sfu as _;
use sip_worker::sfu::janus::{Janus as Connector, JanusConfig};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{NUMBER, Scene, Setup, open_house};
use sipbridge_tests::talk::{ACQUAINTED, Talk};
use sipbridge_tests::worker::room_is_heard;
use sipbridge_tests::{certificate, out_dir};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const SCENARIO: &str = "an_sfu_behind_tls";
const SOON: Duration = Duration::from_secs(5);

#[test]
fn an_sfu_behind_tls() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let folder = out_dir(SCENARIO);
    std::fs::create_dir_all(&folder)?;
    let files = certificate::make(&folder, IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let setup = Setup {
        sfu: format!("ca_file = \"{}\"", files.ca.display()),
        janus: JanusOptions {
            tls: Some(TlsFiles {
                cert_file: Some(files.cert),
                key_file: Some(files.key),
                ca_file: Some(files.ca),
                client_ca_file: None,
            }),
            ..JanusOptions::default()
        },
        ..Setup::default()
    };
    let mut scene = Scene::open_with(SCENARIO, &open_house("at-once"), setup)?;

    let stranger = Connector::new(JanusConfig {
        tls: Tls::default(),
        ..scene.janus().config("test")
    });
    let refused = scene.wait(stranger.check()).err();
    let why = refused
        .context("it was believed without a reason")?
        .to_string();
    ensure!(
        why.contains(
            "its certificate is signed by itself, or by an authority that is not believed"
        ),
        "{why}"
    );

    let host = scene.join("host")?;
    let talk = Talk::new(1)?;
    let says = talk.phone_says.plays();
    let mut phone = Baresip::start(SCENARIO, &Options::new("alice", &says))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(SOON)?;
    let calling = scene.wait(host.hears("alice", SOON))?;
    scene.worker.until_call("is connected", SOON, |call| {
        call["state"] == "active" && room_is_heard(call)
    })?;
    let up = talk.turn(&scene, &host, 0, ACQUAINTED);
    phone.hang_up()?;
    phone.wait_closed(SOON)?;
    let heard = talk.heard(&calling.recording, up);
    talk.phone_says
        .assert_heard_in(&heard, SCENARIO, "phone to room")
        .context("in the room")?;
    talk.room_says[0].assert_heard_in(&phone.into_heard()?, SCENARIO, "room to phone")?;
    Ok(())
}
