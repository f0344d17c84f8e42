// SPDX-License-Identifier: MPL-2.0
//! A far end that shows another certificate than its description promised.

use gst_webrtc::{WebRTCPeerConnectionState, WebRTCSDPType};

use crate::app::{App, RTCBIN, WEBRTCBIN, described, introduce, text};
use crate::kit::eventually;

fn tampered(text: &str) -> String {
    let (before, after) = text.split_once("a=fingerprint:sha-256 ").unwrap();
    let other = if after.starts_with("00") { "01" } else { "00" };
    format!("{before}a=fingerprint:sha-256 {other}{}", &after[2..])
}

fn refused(answers: &str) {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(answers));
    introduce(&a, &b);
    a.say(0, 1);
    b.say(0, 2);
    a.play();
    b.play();
    let offer = a.create(WebRTCSDPType::Offer);
    assert_eq!(a.apply("set-local-description", &offer), None);
    assert_eq!(b.apply("set-remote-description", &offer), None);
    let answer = b.create(WebRTCSDPType::Answer);
    assert_eq!(b.apply("set-local-description", &answer), None);
    let forged = described(WebRTCSDPType::Answer, &tampered(&text(&answer)));
    assert_eq!(a.apply("set-remote-description", &forged), None);
    eventually("a refuses", || {
        a.state() == WebRTCPeerConnectionState::Failed
    });
    assert_eq!(a.tracks(), 0);
    assert_eq!(b.tracks(), 0);
}

#[test]
fn a_forged_rtcbin_is_refused() {
    refused(RTCBIN);
}

#[test]
fn a_forged_webrtcbin_is_refused() {
    refused(WEBRTCBIN);
}
