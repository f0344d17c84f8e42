// SPDX-License-Identifier: MPL-2.0
//! What cannot be, and the sentence that names it.

use gst::prelude::*;
use sip_ua::sdp::Codec;

use crate::phone::{Bridge, Phone, described};

fn refused(bridge: &Bridge, offer: &str, words: &str, code: u32) {
    let (said, status) = bridge.offer("alice", offer).unwrap_err();
    assert!(said.contains(words), "{words}: {said}");
    assert_eq!(status, code, "{said}");
}

#[test]
fn offers_that_a_side_does_not_take() {
    let bridge = Bridge::new("profile=srtp_to_rtp");
    let plain = Phone::new(&[Codec::Pcma]).offer();
    refused(&bridge, &plain, "a=crypto", 488);
    let browser = plain.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF");
    refused(&bridge, &browser, "UDP/TLS/RTP/SAVPF", 488);
    refused(&bridge, "v=0", "no m= line", 488);
    refused(&bridge, "hello", "cannot be read", 400);
    let secure = Phone::secure(&[Codec::Pcma]).offer();
    bridge.offer("alice", &secure).unwrap();
}

#[test]
fn answers_to_nothing_and_answers_that_do_not_fit() {
    let bridge = Bridge::new("");
    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
    let (said, code) = bridge.answer("alice", "bob", "v=0").unwrap_err();
    assert_eq!(code, 481, "{said}");
    let offer = bridge.offer("alice", &alice.offer()).unwrap();
    let answer = bob.answer(&offer);
    let (said, _) = bridge
        .answer("alice", "bob", &answer.replace("m=audio", "m=video"))
        .unwrap_err();
    assert!(said.contains("m= line 1"), "{said}");
    bridge.answer("alice", "bob", &answer).unwrap();
}

#[test]
fn fields_that_a_signal_does_not_have() {
    let bridge = Bridge::new("");
    let (said, code) = bridge
        .pass("pass-offer", &[("sdp", "v=0"), ("ice", "full")])
        .unwrap_err();
    assert!(said.contains("\"ice\""), "{said}");
    assert_eq!(code, 400);
    let (said, _) = bridge.pass("pass-offer", &[]).unwrap_err();
    assert!(said.contains("sdp"), "{said}");
    let (said, code) = described(&bridge.ask("delete", None)).unwrap_err();
    assert_eq!(code, 481, "{said}");
}

#[test]
fn everything_in_null() {
    let bridge = Bridge::stopped("");
    let offer = Phone::new(&[Codec::Pcma]).offer();
    refused(&bridge, &offer, "NULL", 503);
}

#[test]
fn properties_that_cannot_be_used_before_it_starts() {
    for (properties, words) in [
        ("profile=telepathy", "telepathy"),
        ("side-a=\"side,sdes=off\"", "\"sdes\""),
        ("side-a=\"side,ice=full\"", "side-a: ice"),
        ("side-b=\"side,dtls=true,srtp=required\"", "side-b: srtp"),
        ("side-b=\"side,srtp=perhaps\"", "side-b: srtp"),
        ("media-ports=some", "media-ports"),
    ] {
        let bridge = Bridge::stopped(properties);
        let started = bridge.line.pipeline.set_state(gst::State::Ready);
        assert!(started.is_err(), "{properties}");
        let (error, _) = bridge.line.wait_error();
        assert!(error.message().contains(words), "{properties}: {error}");
    }
}
