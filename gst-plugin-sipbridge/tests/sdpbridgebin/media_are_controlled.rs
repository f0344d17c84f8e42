// SPDX-License-Identifier: MPL-2.0
//! An application plays something, presses keys, and keeps a side from being heard.

use sip_ua::sdp::Codec;
use sipbridge_measure::Wave;
use sipbridge_measure::steady::asserted_steadily;

use crate::kit::{RATE_HZ, eventually, voice};
use crate::phone::{Bridge, Phone, described, hear_each_other};

fn call() -> (Bridge, Phone, Phone) {
    let bridge = Bridge::new("");
    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Opus]));
    bridge.call(&mut alice, &mut bob);
    (bridge, alice, bob)
}

fn ask(bridge: &Bridge, signal: &str, fields: &[(&str, &str)]) -> Result<(), (String, u32)> {
    let mut structure = gst::Structure::new_empty("fields");
    for (name, value) in fields {
        structure.set(*name, *value);
    }
    let reply = bridge.ask(signal, Some(structure));
    if reply.has_field("error") {
        return described(&reply).map(drop);
    }
    Ok(())
}

fn mute(bridge: &Bridge, how: &str) {
    ask(bridge, "mute", &[("side", "a"), ("how", how)]).unwrap();
}

/// Packets that a side had from its far end, or sent to it.
fn packets(bridge: &Bridge, side: &str, which: &str) -> u64 {
    bridge.stats(side).get(which).unwrap()
}

/// Waits until so many packets more came from Alice: so much could have been heard.
fn alice_speaks(bridge: &Bridge, more: u64) {
    let said = || packets(bridge, "a", "packets-received");
    let before = said();
    eventually("packets of Alice's", || said() >= before + more);
}

/// That nothing but what is as good as silence was heard while half a second was said.
fn hears_silence(bridge: &Bridge, phone: &Phone) {
    eventually("silence", || {
        phone.forget();
        alice_speaks(bridge, 25);
        phone.heard().iter().all(|sample| sample.abs() < 100)
    });
}

#[test]
fn a_side_is_kept_from_being_heard() {
    asserted_steadily(|| {
        let (bridge, mut alice, mut bob) = call();
        hear_each_other(&mut alice, &mut bob);
        alice.say(&voice(11, 30.0));
        let sent = || packets(&bridge, "b", "packets-sent");
        for (how, flows) in [("silence", true), ("block", false)] {
            mute(&bridge, how);
            hears_silence(&bridge, &bob);
            let before = sent();
            alice_speaks(&bridge, 30);
            let more = sent() - before;
            assert_eq!(more > 10, flows, "{how}: {more}");
        }
        mute(&bridge, "off");
        hear_each_other(&mut alice, &mut bob);
    });
}

#[test]
fn a_file_is_heard_in_place_of_the_other_side() {
    asserted_steadily(|| {
        let (bridge, mut alice, mut bob) = call();
        let (of_alice, recorded) = (voice(11, 10.0), voice(44, 5.0));
        let directory = std::env::temp_dir().join(format!("bridge-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("recorded.wav");
        let wave = Wave {
            rate_hz: RATE_HZ as u32,
            samples: recorded.clone(),
        };
        wave.write(&file).unwrap();
        alice.say(&of_alice);
        bob.wait_heard(&of_alice);
        bob.forget();
        let file_name = file.to_str().unwrap();
        ask(&bridge, "play", &[("side", "b"), ("file", file_name)]).unwrap();
        bob.wait_heard(&recorded);
        let played = bridge.wait("sdp-bridge-played");
        assert_eq!(played.get::<&str>("side"), Ok("b"));
        hear_each_other(&mut alice, &mut bob);
        std::fs::remove_dir_all(&directory).unwrap();
    });
}

#[test]
fn keys_are_pressed_for_a_side() {
    let (bridge, alice, bob) = call();
    let press = |side| ask(&bridge, "play-digits", &[("side", side), ("digits", "7#")]);
    press("b").unwrap();
    press("a").unwrap();
    for phone in [&bob, &alice] {
        assert_eq!([phone.wait_digit(), phone.wait_digit()], ['7', '#']);
    }
}

#[test]
fn what_cannot_be_done_is_named() {
    let (bridge, _alice, _bob) = call();
    for (signal, fields, words) in [
        ("mute", [("side", "c"), ("how", "block")], "side"),
        ("mute", [("side", "a"), ("how", "loud")], "\"loud\""),
        ("mute", [("side", "a"), ("file", "x")], "\"file\""),
        ("play", [("side", "a"), ("file", "/nowhere")], "/nowhere"),
        ("play", [("side", "a"), ("repeat", "often")], "repeat"),
        ("play-digits", [("side", "a"), ("digits", "12x")], "'x'"),
    ] {
        let (said, code) = ask(&bridge, signal, &fields).unwrap_err();
        assert!(said.contains(words) && code == 400, "{code}: {said}");
    }
    bridge.ask("delete", None);
    let (said, code) = ask(&bridge, "mute", &[("side", "a"), ("how", "off")]).unwrap_err();
    assert_eq!(code, 481, "{said}");
}
