// SPDX-License-Identifier: MPL-2.0
//! A promise that cannot be kept says why, and the session is as it was.

use gst_webrtc::{WebRTCSDPType, WebRTCSignalingState};

use gst::prelude::*;

use crate::app::{App, RTCBIN, described, introduce, negotiate_with, text};

#[test]
fn with_a_sentence_in_the_promise() {
    let a = App::speaking(RTCBIN);
    a.play();
    let offer = a.create(WebRTCSDPType::Offer);
    let nameless: String = text(&offer)
        .lines()
        .filter(|line| !line.starts_with("a=fingerprint"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let error = a.apply(
        "set-remote-description",
        &described(WebRTCSDPType::Offer, &nameless),
    );
    assert!(error.unwrap().contains("fingerprint"));
    let error = a.apply(
        "set-local-description",
        &described(WebRTCSDPType::Answer, &text(&offer)),
    );
    assert!(error.unwrap().contains("Stable"));
    let error = a.apply(
        "set-local-description",
        &described(WebRTCSDPType::Pranswer, &text(&offer)),
    );
    assert!(error.unwrap().contains("not supported"));
    let state: WebRTCSignalingState = a.rtc.property("signaling-state");
    assert_eq!(state, WebRTCSignalingState::Stable);
}

#[test]
fn and_what_comes_after_works_all_the_same() {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(RTCBIN));
    introduce(&a, &b);
    a.play();
    b.play();
    let offer = a.create(WebRTCSDPType::Offer);
    let broken = text(&offer).replace("a=ice-pwd", "a=ice-wpd");
    let refused = b.apply(
        "set-remote-description",
        &described(WebRTCSDPType::Offer, &broken),
    );
    assert!(refused.unwrap().contains("ice-pwd"));
    negotiate_with(&a, &b, &offer);
    a.wait_connected();
    b.wait_connected();
}

#[test]
fn where_only_relays_may_be_used() {
    let a = App::speaking(RTCBIN);
    a.rtc.set_property_from_str("ice-transport-policy", "relay");
    a.play();
    let offer = a.create(WebRTCSDPType::Offer);
    let error = a.apply("set-local-description", &offer);
    assert!(error.unwrap().contains("turn-server"));
}

#[test]
fn where_the_turn_server_cannot_be_understood() {
    let a = App::speaking(RTCBIN);
    a.rtc.set_property(
        "turn-server",
        "turn://ann:secret@turn.example?transport=sctp",
    );
    a.play();
    let offer = a.create(WebRTCSDPType::Offer);
    let error = a.apply("set-local-description", &offer).unwrap();
    assert!(error.contains("turn-server"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}
