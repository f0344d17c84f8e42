// SPDX-License-Identifier: MPL-2.0
//! A stock phone registers over TLS, calls a room with SRTP and hangs up, and is called over the connection
//! that it opened. Every word is checked on both sides. Debian's baresip 1.0 believes any certificate; so
//! others look at the worker's before, while it is given a new one without a restart.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use sip_ua::agent::{Agent, AgentConfig, CallEvent, End, EndCause, OutgoingCall, Tls, TlsFiles};
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::both_ways::BothWays;
use sipbridge_tests::scene::{NUMBER, ROOM, Scene, Setup};
use sipbridge_tests::talk::Talk;
use sipbridge_tests::{certificate, out_dir, put};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::timeout;

const SCENARIO: &str = "a_phone_over_tls";
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SOON: Duration = Duration::from_secs(5);

/// Who believes that authority.
fn believer(files: &certificate::Files) -> Result<Tls> {
    let believed = TlsFiles {
        ca_file: Some(files.ca.clone()),
        ..TlsFiles::default()
    };
    Ok(Tls::load(believed)?)
}

/// How a call of somebody who believes so ends.
async fn greet(uri: String, tls: Tls) -> Result<End> {
    let config = AgentConfig {
        tls,
        ..AgentConfig::default()
    };
    let (agent, _calls) = Agent::bind(config).await?;
    let to = uri.parse().context("the worker's address")?;
    let from = format!("sip:alice@{HOST}").parse().context("an address")?;
    let mut call = agent.dial(OutgoingCall::new(to, from));
    let end = loop {
        match timeout(SOON, call.events.recv()).await? {
            Some(CallEvent::Ended(end)) => break end,
            Some(_) => {}
            None => bail!("the call never ended"),
        }
    };
    agent.close(SOON).await;
    Ok(end)
}

/// The worker was refused for what it showed.
fn is_refused(end: &End) -> bool {
    end.cause == EndCause::Unreachable && end.reason.contains("its certificate")
}

#[test]
fn a_phone_over_tls() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let folder = out_dir(SCENARIO);
    let password = put(SCENARIO, "password", "open-sesame")?;
    let old = believer(&certificate::make(&folder, HOST)?)?;
    let tables = format!(
        "[[user]]
name = \"alice\"
password_file = \"{}\"
srtp = \"required\"

[[route]]
user = \"alice\"
to = \"{NUMBER}\"
room = \"{ROOM}\"
answer = \"at-once\"
",
        password.display()
    );
    let setup = Setup {
        tls: true,
        ..Setup::default()
    };
    let scene = Scene::open_with(SCENARIO, &tables, setup)?;
    let worker = &scene.worker;
    let greeted = |tls: &Tls| scene.wait(greet(worker.uri_over_tls(NUMBER), tls.clone()));
    // As anybody is who is no user.
    ensure!(greeted(&old)?.status == Some(401));
    let new = believer(&certificate::make(&folder, HOST)?)?;
    let end = greeted(&new)?;
    ensure!(is_refused(&end), "{}", end.reason);
    worker.reload();
    worker.wait_for_line("certificates read again", SOON)?;
    ensure!(greeted(&new)?.status == Some(401));
    let end = greeted(&old)?;
    ensure!(is_refused(&end), "{}", end.reason);

    let host = scene.join("host")?;
    let talk = Talk::new(2)?;
    let says = talk.phone_says.plays();
    let mut phone = Baresip::start(
        SCENARIO,
        &Options {
            auto_answer: true,
            password: Some("open-sesame"),
            registrar: Some(worker.sip_over_tls()),
            transport: "tls",
            srtp: true,
            ..Options::new("alice", &says)
        },
    )?;
    phone.wait_registered(SOON)?;

    let encrypted = |call: &Value| call["media"]["phone"]["srtp"].is_string();
    let ways = BothWays {
        scene: &scene,
        room: ROOM,
        host: &host,
        talk: &talk,
        name: "alice",
    };
    let in_room = [
        ways.calls(&mut phone, &worker.uri_over_tls(NUMBER), 0, encrypted)?,
        ways.is_called(&mut phone, None, 1, encrypted)?,
    ];

    let said = phone.trace();
    ensure!(
        said.contains("Via: SIP/2.0/TLS ") && !said.contains("Via: SIP/2.0/UDP "),
        "the phone spoke over something else than TLS"
    );
    talk.assert_heard(SCENARIO, "alice", &in_room, &phone.into_heard()?)
}
