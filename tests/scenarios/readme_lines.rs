// SPDX-License-Identifier: MPL-2.0
//! The gst-launch lines of the README do what they say there, with a real phone at the other end. Only
//! addresses and files are exchanged, and microphone and loudspeaker for files.

use anyhow::{Context as _, Result, bail, ensure};
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::plugin::Plugin;
use sipbridge_tests::process::Process;
use sipbridge_tests::speech::Speech;
use sipbridge_tests::{document, out_dir, ports};
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);
const BOB: &str = "sip:bob@127.0.0.1:5070";
const ALICE: &str = "sip:alice@127.0.0.1:5080";
const CAROL: &str = "sip:carol@127.0.0.1:5090";

/// The lines, in their order.
fn lines() -> Result<Vec<String>> {
    let readme = std::fs::read_to_string(document::path("README.md"))?;
    let lines = readme
        .lines()
        .filter(|line| line.starts_with("gst-launch-1.0"));
    Ok(lines.map(str::to_owned).collect())
}

struct Line {
    scenario: String,
    text: String,
}

impl Line {
    /// The one line with all these words.
    fn with(words: &[&str]) -> Result<Line> {
        let mut found = lines()?;
        found.retain(|line| words.iter().all(|word| line.contains(word)));
        ensure!(found.len() == 1, "{words:?} are in {found:#?}");
        let scenario = format!(
            "readme_{}",
            words[0].replace(|c: char| !c.is_alphanumeric(), "_")
        );
        std::fs::create_dir_all(out_dir(&scenario))?;
        let text = found.remove(0);
        Ok(Line { scenario, text })
    }

    fn instead(mut self, of: &str, take: &str) -> Result<Line> {
        ensure!(self.text.contains(of), "no {of} in {}", self.text);
        self.text = self.text.replace(of, take);
        Ok(self)
    }

    fn file(&self, name: &str) -> PathBuf {
        out_dir(&self.scenario).join(name)
    }

    fn start(&self) -> Result<Process> {
        let plugin = Plugin::installed_for(&self.scenario)?;
        let mut shell = plugin.command("sh");
        shell.arg("-c").arg(format!("exec {}", self.text));
        Process::start("gst-launch-1.0", shell, &self.file("gst-launch.log"))
    }

    fn phone(&self, name: &str, says: &Wave) -> Result<Baresip> {
        let options = Options {
            auto_answer: true,
            ..Options::new(name, says)
        };
        Baresip::start(&self.scenario, &options)
    }
}

fn words(of: &[u8]) -> Result<Speech> {
    Speech::stretch(of, Duration::ZERO, Duration::from_secs(3))
}

fn ends_well(mut process: Process) -> Result<()> {
    let status = process.wait(PATIENCE)?;
    ensure!(status.success(), "{status}: {}", process.printed());
    Ok(())
}

fn records() -> Result<()> {
    let line = Line::with(&["call.wav", BOB])?;
    let says = words(PHONE_SPEECH)?;
    let bob = line.phone("bob", &says.between(PAUSE, PAUSE))?;
    let recording = line.file("call.wav");
    let line = line
        .instead(BOB, &bob.uri())?
        .instead("call.wav", &recording.to_string_lossy())?;
    ends_well(line.start()?)?;
    says.assert_heard_in(&Wave::read(recording)?, &line.scenario, "bob to file")?;
    Ok(())
}

fn plays() -> Result<()> {
    let line = Line::with(&["phone.wav", BOB])?;
    let says = words(ROOM_SPEECH)?;
    let silence = Wave::silence(8_000, Duration::from_secs(60));
    let mut bob = line.phone("bob", &silence)?;
    let file = line.file("phone.wav");
    says.between(PAUSE, PAUSE).write(&file)?;
    let line = line
        .instead(BOB, &bob.uri())?
        .instead("measure/speech/phone.wav", &file.to_string_lossy())?;
    ends_well(line.start()?)?;
    bob.wait_established(PATIENCE)?;
    bob.wait_closed(PATIENCE)?;
    says.assert_heard_in(&bob.into_heard()?, &line.scenario, "file to bob")?;
    Ok(())
}

fn echoes() -> Result<()> {
    let line = Line::with(&["keep-listening=true"])?;
    let port = ports::free();
    let line = line.instead("5070", &port.to_string())?;
    let listener = line.start()?;
    listener.wait_for_line("PLAYING", PATIENCE)?;
    for caller in ["carol", "dave"] {
        let says = words(PHONE_SPEECH)?;
        let mut phone = line.phone(caller, &says.between(PAUSE, PAUSE))?;
        phone.dial(&format!("sip:echo@127.0.0.1:{port}"))?;
        phone.wait_established(PATIENCE)?;
        phone.wait_closed(PATIENCE)?;
        says.assert_heard_in(&phone.into_heard()?, &line.scenario, caller)?;
    }
    Ok(())
}

fn joins() -> Result<()> {
    let line = Line::with(&["call=a", "queue", ALICE, BOB])?;
    let (alice_says, bob_says) = (words(PHONE_SPEECH)?, words(ROOM_SPEECH)?);
    // Bob ends the call, well after both have spoken; one phone may be up a little before the other.
    let late = Duration::from_secs(1);
    let alice = line.phone("alice", &alice_says.between(late, Duration::from_secs(60)))?;
    let bob = line.phone("bob", &bob_says.between(late, late))?;
    let line = line
        .instead(ALICE, &alice.uri())?
        .instead(BOB, &bob.uri())?;
    ends_well(line.start()?)?;
    alice_says.assert_heard_in(&bob.into_heard()?, &line.scenario, "alice to bob")?;
    bob_says.assert_heard_in(&alice.into_heard()?, &line.scenario, "bob to alice")?;
    Ok(())
}

fn confers() -> Result<()> {
    let line = Line::with(&["sipmixer", ALICE, BOB, CAROL])?;
    let second = Duration::from_secs(1);
    // One after the other, and each hangs up when all have spoken.
    let turn = Duration::from_millis(2_600);
    let words = |of, from| Speech::stretch(of, second * from, second * 3 / 2);
    let says = [
        words(PHONE_SPEECH, 0)?,
        words(ROOM_SPEECH, 0)?,
        words(PHONE_SPEECH, 4)?,
    ];
    let mut phones = Vec::new();
    for ((name, says), before) in ["alice", "bob", "carol"].iter().zip(&says).zip(0u32..) {
        let after = turn * (2 - before);
        let wave = says.between(second + turn * before, second + after);
        phones.push(line.phone(name, &wave)?);
    }
    let [alice, bob, carol] = phones.as_slice() else {
        bail!("three phones");
    };
    let line = line
        .instead(ALICE, &alice.uri())?
        .instead(BOB, &bob.uri())?
        .instead(CAROL, &carol.uri())?;
    ends_well(line.start()?)?;
    for (me, phone) in phones.into_iter().enumerate() {
        let heard = phone.into_heard()?;
        for (who, says) in says.iter().enumerate() {
            if who == me {
                ensure!(says.marker.find(&heard).is_none(), "{me} hears themselves");
            } else {
                says.assert_heard_in(&heard, &line.scenario, &format!("{who} to {me}"))?;
            }
        }
    }
    Ok(())
}

fn talks() -> Result<()> {
    let line = Line::with(&["autoaudiosrc", "autoaudiosink", BOB])?;
    let (we_say, bob_says) = (words(ROOM_SPEECH)?, words(PHONE_SPEECH)?);
    let bob = line.phone("bob", &bob_says.between(PAUSE, Duration::from_secs(2)))?;
    let (spoken, heard) = (line.file("spoken.wav"), line.file("heard.wav"));
    // A microphone does not end, so the file outlasts the call.
    we_say
        .between(PAUSE, Duration::from_secs(60))
        .write(&spoken)?;
    let microphone = format!("filesrc location={} ! wavparse", spoken.display());
    let loudspeaker = format!("wavenc ! filesink location={}", heard.display());
    let line = line
        .instead(BOB, &bob.uri())?
        .instead("autoaudiosrc", &microphone)?
        .instead("autoaudiosink", &loudspeaker)?;
    ends_well(line.start()?)?;
    we_say.assert_heard_in(&bob.into_heard()?, &line.scenario, "microphone to bob")?;
    bob_says.assert_heard_in(&Wave::read(heard)?, &line.scenario, "bob to loudspeaker")?;
    Ok(())
}

#[test]
fn readme_lines_do_what_they_say() -> Result<()> {
    let scenarios = [records, plays, echoes, joins, confers, talks];
    ensure!(
        lines()?.len() == scenarios.len(),
        "each gst-launch line of the README has its place in this test"
    );
    // Side by side: each takes the time of its words and next to no processor.
    let running = scenarios.map(|line| std::thread::spawn(move || steadily(line)));
    // All of them to their end, for what one fails at must not leave another's phones behind.
    let ended = running.map(std::thread::JoinHandle::join);
    for scenario in ended {
        match scenario {
            Ok(result) => result.context("a line of the README")?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(())
}
