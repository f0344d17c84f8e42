// SPDX-License-Identifier: MPL-2.0
//! `./dev demo` needs no SFU on the machine: a call in a room of the worker itself, heard, kept and drawn. With
//! `--https` it stays, and a browser comes in by the link that it shows, where its self-made certificate is good.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::Wave;
use sipbridge_browser::Browser;
use sipbridge_tests::join_page::{SOON, card, enter, tone};
use sipbridge_tests::process::Process;
use sipbridge_tests::worker::{program, run_once};
use sipbridge_tests::{certificate, out_dir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SCENARIO: &str = "the_demo";
/// For a call of a quarter of a minute on a busy machine.
const CALLED: Duration = Duration::from_secs(60);
/// What is quieter holds nobody's voice.
const VOICE_DBFS: f32 = -50.0;

/// Starts the demonstration on a machine that has no other programs, with temporary files in a place of its own.
fn demo(name: &str, arguments: &[&str]) -> Result<(Process, PathBuf)> {
    let folder = out_dir(SCENARIO).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    let (nothing, passing) = (folder.join("path"), folder.join("tmp"));
    std::fs::create_dir_all(&nothing)?;
    std::fs::create_dir_all(&passing)?;
    let mut command = Command::new(program()?);
    command
        .arg("demo")
        .args(arguments)
        .arg("--folder")
        .arg(folder.join("kept"))
        .env("PATH", nothing)
        .env("TMPDIR", passing);
    let process = Process::start("sip-worker demo", command, &folder.join("demo.log"))?;
    Ok((process, folder))
}

/// What each side heard is there, and drawn.
fn is_kept(folder: &Path) -> Result<()> {
    let mut recording = hound::WavReader::open(folder.join("kept/recording.wav"))?;
    let spec = recording.spec();
    ensure!(spec.channels == 2, "{spec:?}");
    let samples: Vec<i16> = recording.samples().collect::<Result<_, _>>()?;
    for (side, name) in ["the phone", "the room"].into_iter().enumerate() {
        let samples = samples.iter().skip(side).step_by(2).copied().collect();
        let heard = Wave {
            rate_hz: spec.sample_rate,
            samples,
        };
        let level = heard.level_dbfs();
        ensure!(level > VOICE_DBFS, "{name} heard {level} dBFS");
        ensure!(heard.duration() > Duration::from_secs(5), "{name}");
    }
    let picture = std::fs::read_to_string(folder.join("kept/picture.svg"))?;
    for way in ["phone → room", "room → phone"] {
        ensure!(picture.contains("<svg") && picture.contains(way), "{way}");
    }
    Ok(())
}

/// The one folder of a demonstration that runs.
fn temporary(folder: &Path) -> Result<PathBuf> {
    let mut found = std::fs::read_dir(folder.join("tmp"))?;
    let entry = found.next().context("no temporary folder")??;
    ensure!(found.next().is_none(), "more than one temporary folder");
    Ok(entry.path())
}

#[test]
fn the_demo_needs_no_sfu_and_is_joined_over_https() -> Result<()> {
    // Side by side: each takes the time of its words.
    let (mut once, measured) = demo("once", &["--once"])?;
    let (mut stays, shown) = demo("https", &["--https"])?;
    let status = once.wait(CALLED)?;
    ensure!(status.success(), "{status}: {}", once.printed());
    once.wait_for_line("Both heard each other well.", Duration::ZERO)?;
    is_kept(&measured)?;

    let line = stays.wait_for_line("Join it in a browser: ", CALLED)?;
    is_kept(&shown)?;
    let (_, link) = line.split_once("browser: ").context("a link")?;
    ensure!(link.starts_with("https://"), "{line}");
    let (address, _) = link.split_once("/#").context("a room and its token")?;
    let files = temporary(&shown)?;
    // It asks for the address that the certificate is good for, as the browser below does not.
    let config = files.join("sip-worker.toml");
    let answer = run_once(&[
        "calls",
        "--url",
        address,
        "--config",
        &config.to_string_lossy(),
    ])?;
    ensure!(answer.status.success(), "{answer:?}");

    let microphone = shown.join("microphone.wav");
    tone(700.0, 48_000, Duration::from_secs(2)).write(&microphone)?;
    let pin = certificate::pin_of(&files.join("key.pem"))?;
    let believes = format!("--ignore-certificate-errors-spki-list={pin}");
    let browser = Browser::speaking(&shown, "about:blank", &microphone, &[believes])?;
    let mut page = browser.page()?;
    page.go(link)?;
    ensure!(page.eval("isSecureContext")? == true, "no microphone there");
    let status = page.eval("fetch('/').then((answer) => answer.status)")?;
    ensure!(status == 200, "GET /: {status}");
    page.fill("#field-name", "Ann")?;
    enter(&mut page)?;
    page.until(&card("Ann\nyou"), SOON)?;
    page.until(&format!("{}?.matches('.talking')", card("Ada")), SOON)?;

    let status = stays.terminate()?;
    ensure!(status.success(), "{status}: {}", stays.printed());
    ensure!(!files.exists(), "{} is left", files.display());
    Ok(())
}
