// SPDX-License-Identifier: MPL-2.0
//! Hold, resume, another codec, another port: no audio is missed for longer than the change takes.

use std::time::{Duration, Instant};

use sip_ua::sdp::{Codec, Direction};
use sipbridge_measure::steady::asserted_steadily;

use crate::kit::{RATE_HZ, eventually};
use crate::phone::{Bridge, Phone, hear_each_other};

/// What nobody may miss.
const AT_ONCE: Duration = Duration::from_millis(200);

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

/// Both have heard each other before a change and after it, and missed nothing at it.
fn both_go_on(alice: &mut Phone, bob: &mut Phone, change: impl FnOnce(&mut Phone, &mut Phone)) {
    for phone in [&*alice, &*bob] {
        phone.forget();
        wait_for_sound(phone, 0.3);
    }
    change(alice, bob);
    for phone in [&*alice, &*bob] {
        wait_for_sound(phone, 1.5);
        let gap = longest_gap(&phone.heard());
        assert!(gap < AT_ONCE, "{gap:?}");
    }
}

#[test]
fn one_call_holds_resumes_goes_to_opus_and_moves() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let either = [Codec::Pcma, Codec::Opus];
        let (mut alice, mut bob) = (Phone::new(&either), Phone::new(&either));
        let codec = |side| bridge.stats(side).get::<String>("codec-received").unwrap();
        bridge.call(&mut alice, &mut bob);
        alice.say(&tone(60.0));
        bob.say(&tone(60.0));
        both_go_on(&mut alice, &mut bob, |_, _| ());
        assert_eq!((codec("a").as_str(), codec("b").as_str()), ("PCMA", "PCMA"));

        // They hold, and hear nothing …
        alice.local.direction = Direction::Inactive;
        bridge.call(&mut alice, &mut bob);
        for phone in [&alice, &bob] {
            eventually("silence", || {
                phone.forget();
                std::thread::sleep(AT_ONCE);
                phone.heard().iter().all(|sample| sample.abs() < 500)
            });
        }
        // … until they resume.
        alice.local.direction = Direction::SendRecv;
        bridge.call(&mut alice, &mut bob);
        let resumed = Instant::now();
        for phone in [&alice, &bob] {
            wait_for_sound(phone, 0.02);
            assert!(resumed.elapsed() < AT_ONCE, "{:?}", resumed.elapsed());
        }

        both_go_on(&mut alice, &mut bob, |alice, bob| {
            alice.local.codecs = vec![Codec::Opus];
            bob.local.codecs = vec![Codec::Opus];
            bridge.call(alice, bob);
            eventually("Opus", || codec("a") == "opus" && codec("b") == "opus");
        });
        both_go_on(&mut alice, &mut bob, |alice, bob| {
            bob.move_away();
            // Whoever moves speaks from there.
            bob.say(&tone(30.0));
            bridge.join(("bob", bob), ("alice", alice));
        });
        bridge.line.no_errors();
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
        assert!(gap < AT_ONCE, "{gap:?}");

        // Bob moves, and offers that himself.
        bob.forget();
        bob.move_away();
        bridge.join(("bob", &mut bob), ("alice", &mut alice));
        wait_for_sound(&bob, 1.0);
        let gap = longest_gap(&bob.heard());
        assert!(gap < AT_ONCE, "{gap:?}");
        bridge.line.no_errors();
    });
}
