// SPDX-License-Identifier: MPL-2.0
//! A `[[profile]]` of the configuration, named by a bridge in a room's graph: an app around the worker finds the
//! bridge in the room's pipeline, and two far ends talk over it as the profile says, one of them by SRTP; a phone in the
//! room hears both. A worker whose graph names a profile that there is not does not start, and says in which line.

use crate::far_end::{Phone, ask, described};
use crate::kit::{Ear, Line, RATE_HZ, eventually, match_of, voice};
use anyhow::{Context as _, Result, anyhow, ensure};
use gst::prelude::*;
use sip_ua::sdp::Codec;
use sip_worker::measure::steady::asserted_steadily;
use sipbridge_tests::house::{House, Lines};
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::worker::run_once;
use sipbridge_tests::{out_dir, ports};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

const SCENARIO: &str = "a_profile_in_a_graph";
const EMBEDDED: &str = "kind = \"embedded\"";
const GRAPH: &str = include_str!("../../pipelines/room.toml");
const PROFILE: &str = "[[profile]]
name = \"studio\"
a = { address = \"127.0.0.1\", codecs = [\"pcmu\"] }
b = { address = \"127.0.0.1\", codecs = [\"pcma\"], srtp = \"required\", ptime = 40 }
";

/// Whom the room hears beside its phones.
const BRIDGE: &str = "text = \"\"\"
sipmixer name=mix
sdpbridgebin name=bridge media-ports=20000-60000 profile=studio
bridge.tap_a ! mix.
bridge.tap_b ! mix.
\"\"\"";

/// A folder with the shipped graph that has a bridge in its room.
fn graphs(scenario: &str, bridge: &str) -> Result<PathBuf> {
    let mixer = "text = \"sipmixer name=mix\"";
    ensure!(GRAPH.contains(mixer), "the shipped graph has changed");
    let folder = out_dir(scenario).join("pipelines");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("room.toml"), GRAPH.replace(mixer, bridge))?;
    Ok(folder)
}

fn named(folder: &Path) -> String {
    format!("pipelines = \"{}\"", folder.display())
}

#[test]
fn a_profile_in_a_graph() {
    asserted_steadily(|| scenario().unwrap());
}

fn scenario() -> Result<()> {
    let lines = Lines {
        media: &named(&graphs(SCENARIO, BRIDGE)?),
        ..Lines::default()
    };
    let tables = format!("{PROFILE}\n{}", open_house("at-once"));
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let house = House::open_with(SCENARIO, media, lines, EMBEDDED, &tables)?;
    let listener = Line::new(&format!(
        "audiotestsrc is-live=true wave=silence ! audio/x-raw,rate={RATE_HZ},channels=1 \
         ! sipbin name=phone uri={} phone. ! audio/x-raw,format=S16LE,rate={RATE_HZ},channels=1 \
         ! appsink name=ear sync=false",
        house.uri(NUMBER)
    ));
    let ear = Ear::on(&listener, "ear");
    listener.play();
    listener.wait_state("answered");
    let pipelines = house.pipelines(ROOM);
    let [room] = pipelines.as_slice() else {
        return Err(anyhow!("{pipelines:?}"));
    };
    let bridge = room.by_name("bridge").context("a bridge in the room")?;

    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::secure(&[Codec::Pcma]));
    let pass = |signal: &str, sdp: &str| {
        let fields = gst::Structure::builder("fields").field("sdp", sdp);
        let reply = ask(&bridge, signal, Some(fields.build()));
        described(&reply).map_err(|(sentence, code)| anyhow!("{code} {sentence}"))
    };
    let offered = pass("pass-offer", &alice.offer())?;
    for words in [" RTP/SAVP 8 ", "a=crypto:", "a=ptime:40"] {
        ensure!(offered.contains(words), "{offered}");
    }
    let answered = pass("pass-answer", &bob.answer(&offered))?;
    ensure!(answered.contains(" RTP/AVP 0 "), "{answered}");
    alice.accept(&answered);

    is_heard(&voice(11, 6.0), &mut alice, &bob, &ear);
    is_heard(&voice(22, 6.0), &mut bob, &alice, &ear);
    Ok(())
}

/// By who is bridged with who speaks, and in the room.
fn is_heard(said: &[i16], speaks: &mut Phone, hears: &Phone, room: &Ear) {
    hears.forget();
    speaks.say(said);
    hears.wait_heard(said);
    let mut judged = 0;
    eventually("words in the room", || {
        let heard = room.samples();
        // Not with every frame: to judge takes time that those who speak need.
        if heard.len() < judged + RATE_HZ / 2 {
            return false;
        }
        judged = heard.len();
        (0..=3).any(|second| match_of(said, &heard, second * RATE_HZ) >= 0.8)
    });
    speaks.hush();
}

#[test]
fn a_profile_that_there_is_not() -> Result<()> {
    let scenario = "a_profile_that_there_is_not";
    let bridge = BRIDGE.replace("profile=studio", "profile=stduio");
    let folder = graphs(scenario, &bridge)?;
    let file = folder.join("room.toml");
    let text = std::fs::read_to_string(&file)?;
    let line = text
        .lines()
        .position(|line| line.starts_with("sdpbridgebin"));
    let place = format!("{}:{}:", file.display(), line.context("a bridge")? + 1);
    let config = out_dir(scenario).join("sip-worker.toml");
    std::fs::write(
        &config,
        format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:{}\"]\n[media]\n{}\n{PROFILE}",
            ports::free(),
            named(&folder)
        ),
    )?;
    let (config, file) = (config.to_string_lossy(), file.to_string_lossy());
    for (arguments, code) in [
        (&["run", "--config", &config][..], 1),
        (&["check", &config, &file], 2),
    ] {
        let output = run_once(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code), "{arguments:?}: {said}");
        let finding = said.lines().find(|line| line.contains(&place));
        let finding = finding.with_context(|| format!("no finding at {place} {said}"))?;
        for words in ["bridge: profile: there is no \"stduio\"", "studio"] {
            ensure!(finding.contains(words), "{finding}");
        }
    }
    // As it should have been written.
    std::fs::write(&*file, text.replace("stduio", "studio"))?;
    let output = run_once(&["check", &config, &file])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(())
}
