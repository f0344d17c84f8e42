// SPDX-License-Identifier: MPL-2.0
//! A far end that has another key or another certificate than its description ends the bridge, which says so.

use gstsipbridge::rtc::Certificate;
use sip_ua::sdp::{Codec, write_fingerprint};
use sipbridge_measure::steady::asserted_steadily;

use crate::hands_are_shaken::shaking;
use crate::kit::voice;
use crate::phone::{Bridge, Phone};

fn ended(bridge: &Bridge, words: &str) {
    let ended = bridge.wait("sdp-bridge-ended");
    let reason: &str = ended.get("reason").unwrap();
    assert!(
        reason.starts_with("side a: ") && reason.contains(words),
        "{reason}"
    );
}

fn heard_nothing(phone: &Phone) {
    assert!(phone.heard().iter().all(|sample| sample.abs() < 100));
}

#[test]
fn another_certificate_than_the_descriptions_ends_the_bridge() {
    asserted_steadily(|| {
        let near = Bridge::new(&format!("side-b={}", shaking("full")));
        let far = Bridge::new(&format!("side-a={}", shaking("full")));
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
        let offer = near.offer("alice", &alice.offer()).unwrap();
        let ours = Certificate::of_process().unwrap();
        let shown = write_fingerprint(ours.fingerprint());
        let other = write_fingerprint(&[7; 32]);
        assert!(offer.contains(&shown), "{offer}");
        let offer = offer.replace(&shown, &other);
        let answer = bob.answer(&far.offer("alice", &offer).unwrap());
        let answer = far.answer("alice", "bob", &answer).unwrap();
        alice.accept(&near.answer("alice", "bob", &answer).unwrap());
        ended(&far, "fingerprint");
        heard_nothing(&bob);
    });
}

/// The first key in a description, base64.
fn key(sdp: &str) -> &str {
    let (_, key) = sdp.split_once(" inline:").unwrap();
    key.split(['\r', '|']).next().unwrap()
}

#[test]
fn another_key_than_the_descriptions_ends_the_bridge() {
    let bridge = Bridge::new("profile=srtp_to_rtp");
    let (mut alice, mut bob) = (Phone::secure(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
    let offer = alice.offer();
    let another = Phone::secure(&[Codec::Pcma]).offer();
    let told = offer.replace(key(&offer), key(&another));
    assert_ne!(told, offer);
    let answer = bob.answer(&bridge.offer("alice", &told).unwrap());
    alice.accept(&bridge.answer("alice", "bob", &answer).unwrap());
    alice.say(&voice(11, 10.0));
    ended(&bridge, "a=crypto");
    heard_nothing(&bob);
}
