// SPDX-License-Identifier: MPL-2.0
//! Hold, resume, another codec, another port: no audio is missed for longer than the change takes.

use std::time::Duration;

use sip_ua::sdp::{Codec, Direction};
use sipbridge_measure::steady::asserted_steadily;

use crate::kit::{RATE_HZ, eventually};
use crate::phone::{Bridge, Phone, hear_each_other};

/// A sine of 440 Hz.
pub fn tone(seconds: f64) -> Vec<i16> {
    let samples = (seconds * RATE_HZ as f64) as usize;
    let phase = |at: usize| at as f64 / RATE_HZ as f64 * 440.0 * std::f64::consts::TAU;
    (0..samples)
        .map(|at| (phase(at).sin() * 8_000.0) as i16)
        .collect()
}

/// The longest run of near silence after the first sound.
pub fn longest_gap(heard: &[i16]) -> Duration {
    let begin = heard.iter().position(|sample| sample.abs() > 500);
    let since = &heard[begin.unwrap_or(0)..];
    let runs = since.split(|sample| sample.abs() > 500).map(<[i16]>::len);
    Duration::from_secs_f64(runs.max().unwrap_or(0) as f64 / RATE_HZ as f64)
}

pub fn wait_for_sound(phone: &Phone, seconds: f64) {
    let wanted = (seconds * RATE_HZ as f64) as usize;
    let loud = |heard: Vec<i16>| heard.iter().filter(|sample| sample.abs() > 500).count();
    eventually("a tone", || loud(phone.heard()) > wanted * 9 / 10);
}

#[test]
fn hold_is_silence_and_ends() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
        bridge.call(&mut alice, &mut bob);
        hear_each_other(&mut alice, &mut bob);
        alice.local.direction = Direction::Inactive;
        bridge.call(&mut alice, &mut bob);
        let sent = || bridge.stats("b").get::<u64>("packets-sent").unwrap();
        eventually("nothing more that goes to Bob", || {
            let before = sent();
            std::thread::sleep(Duration::from_millis(450));
            sent() == before
        });
        alice.local.direction = Direction::SendRecv;
        bridge.call(&mut alice, &mut bob);
        hear_each_other(&mut alice, &mut bob);
    });
}

#[test]
fn the_codec_changes_and_then_the_port() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let both = [Codec::Pcmu, Codec::Opus];
        let (mut alice, mut bob) = (Phone::new(&both), Phone::new(&both));
        bridge.call(&mut alice, &mut bob);
        alice.say(&tone(8.0));
        wait_for_sound(&bob, 0.5);
        alice.local.codecs = vec![Codec::Opus];
        bob.local.codecs = vec![Codec::Opus];
        bridge.call(&mut alice, &mut bob);
        let codec = |side| bridge.stats(side).get::<String>("codec-received").unwrap();
        eventually("Opus", || codec("a") == "opus");
        wait_for_sound(&bob, 1.5);
        let gap = longest_gap(&bob.heard());
        assert!(gap < Duration::from_millis(200), "{gap:?}");

        // Bob moves, and offers that himself.
        bob.forget();
        bob.move_away();
        bridge.join(("bob", &mut bob), ("alice", &mut alice));
        wait_for_sound(&bob, 1.0);
        let gap = longest_gap(&bob.heard());
        assert!(gap < Duration::from_millis(200), "{gap:?}");
        bridge.line.no_errors();
    });
}
