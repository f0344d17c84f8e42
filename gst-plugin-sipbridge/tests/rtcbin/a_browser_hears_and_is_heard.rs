// SPDX-License-Identifier: MPL-2.0
//! Chromium and the same application, on one element and on the other.

use gst::prelude::*;
use gst_webrtc::WebRTCSessionDescription;

use crate::app::{App, RTCBIN, WEBRTCBIN, text};
use crate::browser::{OURS_HZ, Role, Talk, tone};

fn talk(factory: &str, role: Role) {
    talk_on(App::with(factory, vec![tone(0, OURS_HZ)]), role);
}

fn talk_on(app: App, role: Role) -> Talk {
    let mut talk = Talk::open(app, role);
    talk.until("both hear each other", |talk| {
        talk.hears(0, OURS_HZ) && talk.is_heard()
    });
    talk.went_well();
    talk
}

#[test]
fn who_answers_an_offer_of_rtcbin() {
    talk(RTCBIN, Role::Answers);
}

#[test]
fn who_offers_to_rtcbin() {
    talk(RTCBIN, Role::Offers);
}

#[test]
fn who_answers_an_offer_of_webrtcbin() {
    talk(WEBRTCBIN, Role::Answers);
}

#[test]
fn who_offers_to_webrtcbin() {
    talk(WEBRTCBIN, Role::Offers);
}

/// With ICE of which the browser does all the work.
fn lite(role: Role) {
    let app = App::with(RTCBIN, vec![tone(0, OURS_HZ)]);
    app.rtc.set_property("ice-lite", true);
    let talk = talk_on(app, role);
    let ours: WebRTCSessionDescription = talk.app.rtc.property("local-description");
    assert!(text(&ours).contains("a=ice-lite"));
}

#[test]
fn who_answers_a_lite_one() {
    lite(Role::Answers);
}

#[test]
fn who_offers_to_a_lite_one() {
    lite(Role::Offers);
}
