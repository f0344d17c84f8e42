// SPDX-License-Identifier: MPL-2.0
//! The three example programs: each answers a phone, plays a greeting, records the caller, plays the
//! greeting again on key 1, and hangs up on #.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::plugin::{Plugin, built};
use sipbridge_tests::process::Process;
use sipbridge_tests::speech::Speech;
use sipbridge_tests::{document, out_dir};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(300);

fn words(of: &[u8]) -> Result<Speech> {
    Speech::stretch(of, Duration::ZERO, Duration::from_secs(3))
}

/// `program`, given the port, the greeting and the file to record to, answers baresip.
fn answers(scenario: &str, mut program: Command) -> Result<()> {
    let folder = out_dir(scenario);
    std::fs::create_dir_all(&folder)?;
    let (greeting, says) = (words(ROOM_SPEECH)?, words(PHONE_SPEECH)?);
    let (greeting_file, message_file) = (folder.join("greeting.wav"), folder.join("message.wav"));
    let _ = std::fs::remove_file(&message_file);
    let greeting_played = greeting.between(Duration::ZERO, PAUSE);
    greeting_played.write(&greeting_file)?;
    program.arg("0").arg(&greeting_file).arg(&message_file);
    let mut app = Process::start("the app", program, &folder.join("app.log"))?;
    let waiting = app.wait_for_line("waiting for a call on port ", PATIENCE)?;
    let port = waiting.rsplit(' ').next().context("no port")?;

    // It ends the call by itself before its silence does.
    let plays = says.between(PAUSE, Duration::from_secs(60));
    let mut phone = Baresip::start(
        scenario,
        &Options {
            codec: "PCMA",
            ..Options::new("alice", &plays)
        },
    )?;
    phone.dial(&format!("sip:machine@127.0.0.1:{port}"))?;
    phone.wait_established(PATIENCE)?;
    app.wait_for_line("alice@", PATIENCE)?;
    // A phone has no event for what it hears: the greeting lasts as long as its file.
    std::thread::sleep(greeting_played.duration() + PAUSE);
    phone.send_digit('1')?;
    std::thread::sleep(greeting_played.duration() + PAUSE);
    phone.send_digit('#')?;
    phone.wait_closed(PATIENCE)?;
    let status = app.wait(PATIENCE)?;
    ensure!(status.success(), "{status}: {}", app.printed());

    let heard = phone.into_heard()?;
    let one = greeting.assert_heard_in(&heard, scenario, "greeting to caller")?;
    // Whichever of the two was matched, the other is in what remains.
    let begins = Duration::from_millis(one.delay_ms.context("no delay")?.max(0.0) as u64);
    let before = heard.slice(Duration::ZERO, begins);
    let after = heard.slice(begins + greeting.wave.duration(), heard.duration());
    let rest = std::cmp::max_by_key(before, after, Wave::duration);
    greeting.assert_heard_in(&rest, scenario, "greeting again")?;
    says.assert_heard_in(&Wave::read(&message_file)?, scenario, "caller to message")?;
    Ok(())
}

fn rust() -> Result<()> {
    let program = Command::new(built("examples/answering_machine")?);
    answers("an_app_in_rust_answers", program)
}

fn python() -> Result<()> {
    let scenario = "an_app_in_python_answers";
    let plugin = Plugin::installed_for(scenario)?;
    let example = document::path("examples/answering_machine.py");
    answers(scenario, plugin.command(example))
}

fn c() -> Result<()> {
    let scenario = "an_app_in_c_answers";
    let plugin = Plugin::installed_for(scenario)?;
    let program = out_dir(scenario).join("answering_machine");
    compile(&document::path("examples/answering_machine.c"), &program)?;
    answers(scenario, plugin.command(program))
}

#[test]
fn an_app_answers_a_call_in_rust_python_and_c() {
    // Side by side: each takes the time of its words and next to no processor.
    let apps = [rust, python, c].map(|app| std::thread::spawn(move || steadily(app)));
    let results = apps.map(|app| app.join());
    for (language, result) in ["Rust", "Python", "C"].into_iter().zip(results) {
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("in {language}: {error:#}"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn compile(source: &Path, program: &Path) -> Result<()> {
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gstreamer-1.0"])
        .output()?;
    ensure!(flags.status.success(), "pkg-config: {flags:?}");
    let flags = String::from_utf8(flags.stdout)?;
    let status = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .args([program, source])
        .args(flags.split_whitespace())
        .status()?;
    ensure!(status.success(), "cc: {status}");
    Ok(())
}
