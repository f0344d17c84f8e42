// SPDX-License-Identifier: MPL-2.0
//! Bridges come and go, in whatever state they are given up, and leave no port, descriptor or thread.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;
#[allow(dead_code, reason = "each test uses the part it needs")]
#[path = "sdpbridgebin/phone.rs"]
mod phone;

use std::net::UdpSocket;

use gst::prelude::*;
use gstsipbridge::context::Context;
use sip_ua::sdp::Codec;

use kit::{count_descriptors, count_threads, eventually};
use phone::{Bridge, Phone, ports};

const ROUNDS: usize = 2_000;
const HANDSHAKES: usize = 30;

#[test]
fn thousands_come_and_go() {
    let bridge = Bridge::new("");
    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Opus]));
    // Threads that all calls share stay.
    let _contexts = [
        Context::default_for_new_call(),
        Context::default_for_new_call(),
    ];
    bridge.call(&mut alice, &mut bob);
    bridge.ask("delete", None);
    let shaking = ["side-b", "side-a"]
        .map(|side| Bridge::new(&format!("{side}=\"side,address=127.0.0.1,dtls=true\"")));
    shake_hands(&shaking, &mut alice, &mut bob, 2);
    let (descriptors, threads) = (count_descriptors(), count_threads());
    for round in 0..ROUNDS {
        let offer = bridge.offer("alice", &alice.offer()).unwrap();
        let mut said = vec![offer.clone()];
        match round % 4 {
            0 => {}
            1 => {
                bridge.element.set_state(gst::State::Null).unwrap();
            }
            _ => {
                let answer = bob.answer(&offer);
                said.push(bridge.answer("alice", "bob", &answer).unwrap());
            }
        }
        if round % 4 == 3 {
            bridge.offer("bob", &bob.offer()).unwrap();
        }
        if round % 4 == 1 {
            bridge.element.sync_state_with_parent().unwrap();
        } else {
            bridge.ask("delete", None);
        }
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        for port in ports(&said) {
            UdpSocket::bind(("127.0.0.1", port)).unwrap();
            UdpSocket::bind(("127.0.0.1", port + 1)).unwrap();
        }
    }
    for round in 0..HANDSHAKES {
        shake_hands(&shaking, &mut alice, &mut bob, round % 3);
    }
    assert_eq!(count_descriptors(), descriptors);
    assert!(
        count_threads() <= threads,
        "{} after {threads}",
        count_threads()
    );
}

/// Two bridges that shake hands with each other come so far, and go: the first has offered, both have agreed,
/// there are keys.
fn shake_hands([near, far]: &[Bridge; 2], alice: &mut Phone, bob: &mut Phone, how_far: usize) {
    let offer = near.offer("alice", &alice.offer()).unwrap();
    if how_far > 0 {
        let answer = bob.answer(&far.offer("alice", &offer).unwrap());
        let answer = far.answer("alice", "bob", &answer).unwrap();
        near.answer("alice", "bob", &answer).unwrap();
    }
    if how_far > 1 {
        for (bridge, side) in [(near, "b"), (far, "a")] {
            eventually("keys", || bridge.stats(side).has_field("srtp-suite"));
        }
    }
    near.ask("delete", None);
    far.ask("delete", None);
}
