// SPDX-License-Identifier: MPL-2.0
//! Three phones call the same room. Each speaks in turn: the other two hear it, whole and at its
//! level, and it never hears itself. Somebody in the room by WebRTC hears all three.

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave, compare};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene, open_house};
use sipbridge_tests::speech::Speech;
use std::time::Duration;

const SCENARIO: &str = "three_phones_in_a_room";
/// Everybody is connected to everybody by then, also on a busy machine.
const UNTIL_ALL_ARE_THERE: Duration = Duration::from_secs(4);
const WORDS: Duration = Duration::from_secs(4);
/// More than the phones' answers lie apart and a voice needs to arrive, so that nobody interrupts.
const PAUSE: Duration = Duration::from_millis(1_500);
/// Nobody speaks: what a codec makes of silence is below this.
const SILENT_DBFS: f32 = -60.0;

#[test]
fn three_phones_hear_each_other_and_never_themselves() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let scene = Scene::open(SCENARIO, &open_house("at-once"))?;
    let host = scene.join("host")?;
    let second = Duration::from_secs(1);
    let says = [
        (
            "alice",
            "PCMU",
            Speech::stretch(PHONE_SPEECH, Duration::ZERO, WORDS)?,
        ),
        (
            "bob",
            "PCMA",
            Speech::stretch(ROOM_SPEECH, Duration::ZERO, WORDS)?,
        ),
        (
            "carol",
            "opus",
            Speech::stretch(PHONE_SPEECH, second * 4, WORDS)?,
        ),
    ];
    let turn = says[0].2.wave.duration() + PAUSE;
    let mut phones = Vec::new();
    for (place, (name, codec, speech)) in (0..).zip(&says) {
        let plays = speech.between(
            UNTIL_ALL_ARE_THERE + turn * place,
            turn * (2 - place) + PAUSE,
        );
        let options = Options {
            codec,
            ..Options::new(name, &plays)
        };
        phones.push(Baresip::start(SCENARIO, &options)?);
    }

    for phone in &mut phones {
        phone.dial(&scene.worker.uri(NUMBER))?;
    }
    for phone in &mut phones {
        phone.wait_established(Duration::from_secs(10))?;
    }
    let mut in_the_room = Vec::new();
    for (name, _, _) in &says {
        in_the_room.push(scene.wait(host.hears(name, Duration::from_secs(3)))?);
    }
    for phone in &mut phones {
        // Each hangs up where its file ends.
        phone.wait_closed(Duration::from_secs(40))?;
    }
    for (name, _, _) in &says {
        host.sees_gone(name, GONE_WITHIN)?;
    }

    let heard: Vec<Wave> = phones
        .into_iter()
        .map(|phone| phone.into_heard().context("a phone's recording"))
        .collect::<Result<_>>()?;
    for (place, (speaker, _, speech)) in (0..).zip(&says) {
        let in_room = in_the_room[place as usize].recording.wave();
        speech.assert_heard_in(&in_room, SCENARIO, &format!("{speaker} to the room"))?;
        for ((listener, _, _), heard) in says.iter().zip(&heard) {
            if listener != speaker {
                let whole = speech
                    .around(heard)
                    .with_context(|| format!("{listener} does not hear {speaker}"))?;
                speech.assert_heard_in(&whole, SCENARIO, &format!("{speaker} to {listener}"))?;
                continue;
            }
            ensure!(
                speech.marker.find(heard).is_none() && !compare(&speech.wave, heard).is_good(),
                "{speaker} hears their own voice"
            );
            // And nothing else of themselves, such as an echo too bad to be recognised.
            let from = UNTIL_ALL_ARE_THERE + turn * place;
            let meanwhile = heard.slice(from, from + speech.wave.duration() + second);
            let level = meanwhile.level_dbfs();
            println!("while {speaker} speaks, {speaker} hears {level:.0} dBFS");
            ensure!(
                level < SILENT_DBFS,
                "while {speaker} speaks, {speaker} hears {level:.0} dBFS"
            );
        }
    }
    Ok(())
}
