// SPDX-License-Identifier: MPL-2.0
//! An rtcbin that leaves all the work of ICE to the far end (RFC 8445 section 2.5).

use gst::prelude::*;
use gst_webrtc::WebRTCSessionDescription;

use crate::app::{App, RTCBIN, WEBRTCBIN, introduce, negotiate, text};

fn lite() -> App {
    let app = App::speaking(RTCBIN);
    app.rtc.set_property("ice-lite", true);
    app
}

fn call(a: &App, b: &App) {
    introduce(a, b);
    let (of_a, of_b) = (a.say(0, 81), b.say(0, 82));
    a.play();
    b.play();
    a.wait_described("sink_0");
    negotiate(a, b);
    b.wait_heard(&of_a);
    a.wait_heard(&of_b);
}

fn says_so(app: &App) -> bool {
    let description: WebRTCSessionDescription = app.rtc.property("local-description");
    text(&description).contains("a=ice-lite")
}

#[test]
fn calls_either_element() {
    for factory in [RTCBIN, WEBRTCBIN] {
        let (a, b) = (lite(), App::speaking(factory));
        call(&a, &b);
        assert!(says_so(&a) && !says_so(&b));
    }
}

#[test]
fn is_called_by_either_element() {
    for factory in [RTCBIN, WEBRTCBIN] {
        let (a, b) = (App::speaking(factory), lite());
        call(&a, &b);
        assert!(says_so(&b) && !says_so(&a));
    }
}
