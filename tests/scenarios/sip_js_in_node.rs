// SPDX-License-Identifier: MPL-2.0
//! The example of SIP.js in Node with its media in GStreamer: through Kamailio's WebSocket edge it calls baresip,
//! which hears a tone, and is heard.

use anyhow::{Result, ensure};
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, Wave};
use sipbridge_browser::share_of;
use sipbridge_tests::kamailio::{Kamailio, PASSWORD};
use sipbridge_tests::phone::{Account, Make};
use sipbridge_tests::process::Process;
use sipbridge_tests::speech::Speech;
use sipbridge_tests::worker::built;
use sipbridge_tests::{modules, out_dir};
use std::process::Command;
use std::time::Duration;

const SCENARIO: &str = "sip_js_in_node";
const EXAMPLE: &str = include_str!("../../examples/sip_js/call.js");
const HZ: f64 = 1_000.0;
const SOON: Duration = Duration::from_secs(10);
/// Until both ends have their media, and what is said after that.
const PAUSE: Duration = Duration::from_secs(2);
const WORDS: Duration = Duration::from_secs(3);
/// How long the call lasts.
const SECONDS: u32 = 7;

#[test]
fn sip_js_in_node() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let modules = modules::install(
        SCENARIO,
        include_str!("../../examples/sip_js/package.json"),
        include_str!("../../examples/sip_js/package-lock.json"),
    )?;
    let folder = out_dir(SCENARIO);
    // Node looks for packages beside the script.
    ensure!(modules == folder.join("node_modules"), "{modules:?}");
    std::fs::write(folder.join("call.js"), EXAMPLE)?;
    let heard = folder.join("heard.wav");
    let _ = std::fs::remove_file(&heard);

    let kamailio = Kamailio::start_as_edge(SCENARIO)?;
    let home = kamailio.address();
    let speech = Speech::stretch(PHONE_SPEECH, Duration::ZERO, WORDS)?;
    let account = Account {
        name: "alice",
        password: PASSWORD,
        registrar: home,
        transport: "udp",
        srtp: false,
    };
    // It goes on being silent: where its file ends, it hangs up.
    let says = speech.between(PAUSE, Duration::from_secs(20));
    let mut phone = Make::Baresip.register(SCENARIO, account, &says)?;
    kamailio.wait_registered("alice", SOON)?;

    let mut node = Command::new("node");
    node.current_dir(&folder)
        .arg("call.js")
        .arg(format!("ws://{home}"))
        .args([&format!("sip:node@{home}"), PASSWORD])
        .args([format!("sip:alice@{home}"), SECONDS.to_string()])
        .arg(built("examples/media_over_json")?)
        .args(["127.0.0.1".to_owned(), HZ.to_string()])
        .arg(&heard);
    let mut node = Process::start("node", node, &folder.join("node.log"))?;
    node.wait_for_line("answered", SOON)?;
    phone.wait_established(SOON)?;
    phone.wait_closed(SOON + Duration::from_secs(SECONDS.into()))?;
    let status = node.wait(SOON)?;
    ensure!(status.success(), "node: {status}\n{}", node.printed());
    let invites = kamailio.requests("INVITE");
    ensure!(
        invites.iter().any(|line| line.contains("over ws")),
        "{invites:?}"
    );

    speech.assert_heard_in(
        &Wave::from_wav(&std::fs::read(&heard)?)?,
        SCENARIO,
        "alice to Node",
    )?;
    let by_phone = phone.into_heard()?;
    let middle = by_phone.slice(PAUSE, PAUSE + WORDS);
    let share = share_of(HZ, &middle.samples, middle.rate_hz);
    ensure!(
        share > 0.8,
        "of what the phone hears, {share:.2} is the tone"
    );
    Ok(())
}
