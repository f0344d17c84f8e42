// SPDX-License-Identifier: MPL-2.0
//! SIGHUP reads the media graphs again: a broken file changes nothing and the log says where it is wrong; a good one
//! counts for new calls, while a running call keeps the graph it has.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::{PHONE_SPEECH, Wave};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::out_dir;
use sipbridge_tests::scene::{NUMBER, Scene, Setup, Somebody, open_house};
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_new_graph_on_sighup";
const GRAPH: &str = include_str!("../../pipelines/room-stock.toml");
const SOON: Duration = Duration::from_secs(2);

#[test]
fn a_new_graph_on_sighup() -> Result<()> {
    let folder = out_dir(SCENARIO).join("pipelines");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("room-stock.toml");
    std::fs::write(&file, GRAPH)?;
    let scene = Scene::open_with(
        SCENARIO,
        &open_house("at-once"),
        Setup {
            media: format!(
                "pipeline = \"room-stock\"\npipelines = \"{}\"",
                folder.display()
            ),
            ..Setup::default()
        },
    )?;

    let finds = |text: &str| GRAPH.find(text).context("the shipped graph has changed");
    let wrong_line = GRAPH[..finds("! opusenc name")?].matches('\n').count() + 1;
    std::fs::write(&file, GRAPH.replace("! opusenc name", "! opusencc name"))?;
    scene.worker.reload();
    let place = format!("{}:{wrong_line}:", file.display());
    let said = scene.worker.wait_for_line(&place, SOON)?;
    assert!(said.contains("opusencc"), "{said}");

    // The one before still serves.
    let host = scene.join("host")?;
    let _before = in_the_room("before", &scene, &host)?;
    assert!(is_heard(&scene, &host, "before")?);

    // In this one nobody hears the phone.
    finds("sip. ! queue name=phone")?;
    let silent = GRAPH.replace(
        "sip. ! queue name=phone",
        "sip. ! volume mute=true ! queue name=phone",
    );
    std::fs::write(&file, silent)?;
    scene.worker.reload();
    scene
        .worker
        .wait_for_line("media graphs read again", SOON)?;
    let _after = in_the_room("after", &scene, &host)?;
    assert!(
        !is_heard(&scene, &host, "after")?,
        "a new call uses the new graph"
    );
    assert!(
        is_heard(&scene, &host, "before")?,
        "the running call goes on with its own"
    );
    Ok(())
}

/// A phone that speaks for a minute.
fn in_the_room(name: &str, scene: &Scene, host: &Somebody<'_>) -> Result<Baresip> {
    let speech = Wave::from_wav(PHONE_SPEECH)?;
    let mut says = Wave::silence(speech.rate_hz, Duration::ZERO);
    while says.duration() < Duration::from_secs(60) {
        says.push(&speech);
    }
    let mut phone = Baresip::start(SCENARIO, &Options::new(name, &says))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    host.sees(name, SOON)?;
    Ok(phone)
}

/// Whether the room hears words of `name` in the next seconds, more than there is pause in the speech.
fn is_heard(scene: &Scene, host: &Somebody<'_>, name: &str) -> Result<bool> {
    let heard = scene.wait(host.hears(name, Duration::from_secs(5)))?;
    let from = Instant::now();
    let to = from + Duration::from_secs(3);
    scene.wait(async { tokio::time::sleep_until(to.into()).await });
    let wave = heard.recording.between(from, to);
    ensure!(
        wave.duration() > Duration::from_secs(2),
        "{name}'s track brings audio: {:?}",
        wave.duration()
    );
    let loudest = wave
        .samples
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max();
    Ok(loudest.is_some_and(|loudest| loudest > 1_000))
}
