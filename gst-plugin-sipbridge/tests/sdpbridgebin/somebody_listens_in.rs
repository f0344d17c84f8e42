// SPDX-License-Identifier: MPL-2.0
//! Taps: what each side says, for recording and for listening in.

use gst::prelude::*;
use sip_ua::sdp::Codec;
use sipbridge_measure::steady::asserted_steadily;

use crate::kit::{Ear, RATE_HZ, count_threads, eventually, match_of, voice};
use crate::phone::{Bridge, Phone, hear_each_other};

/// The end of a tap: samples at the rate that phones of tests speak.
fn branch(tap: &str, sink: &str) -> String {
    format!("{tap} ! audio/x-raw,rate={RATE_HZ} ! appsink name={sink} sync=false")
}

/// Who can be linked to a tap later, and takes only this.
pub fn listener(bridge: &Bridge, takes: &str) -> (gst::Bin, Ear) {
    let text = format!(
        "capsfilter caps={takes} ! audioresample ! audio/x-raw,rate={RATE_HZ} \
         ! appsink name=a sync=false"
    );
    let bin = gst::parse::bin_from_description(&text, true).unwrap();
    bridge.line.pipeline.add(&bin).unwrap();
    bin.sync_state_with_parent().unwrap();
    let ear = Ear::of(&bin.by_name("a").unwrap());
    (bin, ear)
}

pub fn leave(bridge: &Bridge, bin: &gst::Bin) {
    bin.set_state(gst::State::Null).unwrap();
    bridge.line.pipeline.remove(bin).unwrap();
}

pub fn wait_heard(ear: &Ear, said: &[i16]) {
    let mut judged = 0;
    eventually("words at a tap", || {
        let heard = ear.samples();
        // Not with every frame: to judge takes time that those who speak need.
        if heard.len() < judged + RATE_HZ / 2 {
            return false;
        }
        judged = heard.len();
        (0..=3).any(|second| match_of(said, &heard, second * RATE_HZ) >= 0.8)
    });
}

#[test]
fn each_side_is_heard_by_itself() {
    asserted_steadily(|| {
        let taps = [branch("b.tap_a", "of_a"), branch("b.tap_b", "of_b")].join(" ");
        let bridge = Bridge::new(&taps);
        let ears = ["of_a", "of_b"].map(|name| Ear::on(&bridge.line, name));
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Opus]));
        bridge.call(&mut alice, &mut bob);
        let (of_alice, of_bob) = (voice(11, 10.0), voice(22, 10.0));
        alice.say(&of_alice);
        bob.say(&of_bob);
        wait_heard(&ears[0], &of_alice);
        wait_heard(&ears[1], &of_bob);
        // And nobody else.
        let stray = match_of(&of_bob, &ears[0].samples(), RATE_HZ);
        assert!(stray < 0.5, "{stray}");
        // Its end is told, as to who closes a recording.
        assert!(bridge.element.send_event(gst::event::Eos::new()));
        bridge.line.wait_eos();
    });
}

#[test]
fn taps_come_and_go_while_the_bridge_runs() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::new(&[Codec::Pcmu]));
        bridge.call(&mut alice, &mut bob);
        hear_each_other(&mut alice, &mut bob);
        let threads = count_threads();
        for round in 0..3 {
            let pad = bridge.element.request_pad_simple("tap_a").unwrap();
            let (bin, ear) = listener(&bridge, &format!("audio/x-raw,rate={RATE_HZ}"));
            pad.link(&bin.static_pad("sink").unwrap()).unwrap();
            let of_alice = voice(30 + round, 10.0);
            alice.say(&of_alice);
            wait_heard(&ear, &of_alice);
            bridge.element.release_request_pad(&pad);
            leave(&bridge, &bin);
        }
        eventually("threads that are gone", || count_threads() <= threads);
        hear_each_other(&mut alice, &mut bob);
        bridge.line.no_errors();
    });
}

#[test]
fn a_tap_is_linked_anew() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::new(&[Codec::Pcmu]));
        bridge.call(&mut alice, &mut bob);
        let pad = bridge.element.request_pad_simple("tap_a").unwrap();
        for (seed, rate_hz) in [(40, 48_000), (41, 8_000)] {
            let (bin, ear) = listener(&bridge, &format!("audio/x-raw,rate={rate_hz}"));
            pad.link(&bin.static_pad("sink").unwrap()).unwrap();
            let of_alice = voice(seed, 10.0);
            alice.say(&of_alice);
            wait_heard(&ear, &of_alice);
            pad.unlink(&bin.static_pad("sink").unwrap()).unwrap();
            leave(&bridge, &bin);
        }
        bridge.line.no_errors();
    });
}

#[test]
fn a_tap_outlasts_a_bridge() {
    asserted_steadily(|| {
        let bridge = Bridge::new(&branch("b.tap_b", "of_b"));
        let ear = Ear::on(&bridge.line, "of_b");
        for round in 0..2 {
            let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
            bridge.call(&mut alice, &mut bob);
            let of_bob = voice(50 + round, 10.0);
            bob.say(&of_bob);
            wait_heard(&ear, &of_bob);
            bridge.ask("delete", None);
        }
        bridge.line.no_errors();
    });
}
