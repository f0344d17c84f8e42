// SPDX-License-Identifier: MPL-2.0
use crate::app::{App, RTCBIN, WEBRTCBIN, introduce, negotiate};

fn call(offers: &str, answers: &str) {
    let (a, b) = (App::speaking(offers), App::speaking(answers));
    introduce(&a, &b);
    let (of_a, of_b) = (a.say(0, 11), b.say(0, 22));
    a.play();
    b.play();
    negotiate(&a, &b);
    b.wait_heard(&of_a);
    a.wait_heard(&of_b);
    a.line.no_errors();
    b.line.no_errors();
}

#[test]
fn on_webrtcbin_alone() {
    call(WEBRTCBIN, WEBRTCBIN);
}

#[test]
fn on_rtcbin_alone() {
    call(RTCBIN, RTCBIN);
}

#[test]
fn rtcbin_calls_webrtcbin() {
    call(RTCBIN, WEBRTCBIN);
}

#[test]
fn webrtcbin_calls_rtcbin() {
    call(WEBRTCBIN, RTCBIN);
}
