// SPDX-License-Identifier: MPL-2.0
use gst::prelude::*;
use gst_webrtc::WebRTCPeerConnectionState;

use crate::app::{App, RTCBIN, introduce, negotiate};
use crate::kit::eventually;

#[test]
fn null_gives_everything_back_and_a_new_session_begins() {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(RTCBIN));
    introduce(&a, &b);
    let said = a.say(0, 5);
    b.say(0, 6);
    a.play();
    b.play();
    negotiate(&a, &b);
    b.wait_heard(&said);
    a.line.pipeline.set_state(gst::State::Null).unwrap();
    eventually("b hears that it is over", || {
        b.state() == WebRTCPeerConnectionState::Closed
    });
    assert_eq!(a.rtc.pads().len(), 1, "the source pad is gone");
    assert!(local(&a).is_none());
    b.line.pipeline.set_state(gst::State::Null).unwrap();
    a.play();
    b.play();
    negotiate(&b, &a);
    a.wait_connected();
    b.wait_connected();
    a.line.no_errors();
    b.line.no_errors();
}

fn local(app: &App) -> Option<gst_webrtc::WebRTCSessionDescription> {
    app.rtc.property("local-description")
}
