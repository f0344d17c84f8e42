// SPDX-License-Identifier: MPL-2.0
//! One listens to what the other sends, as with a server's publishers and subscribers.

use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};

use crate::app::{App, RTCBIN, WEBRTCBIN, introduce, negotiate, text};

/// An application that has nothing to say.
fn listening(factory: &str) -> App {
    match factory {
        RTCBIN => App::new(factory, "rtcbin name=rtc local-addresses=127.0.0.1"),
        _ => App::new(
            factory,
            "webrtcbin name=rtc bundle-policy=max-bundle latency=40",
        ),
    }
}

#[test]
fn a_listener_answers() {
    for (offers, answers) in [(RTCBIN, RTCBIN), (WEBRTCBIN, RTCBIN), (RTCBIN, WEBRTCBIN)] {
        let (a, b) = (App::speaking(offers), listening(answers));
        introduce(&a, &b);
        let said = a.say(0, 3);
        a.play();
        b.play();
        negotiate(&a, &b);
        b.wait_heard(&said);
        assert_eq!(a.tracks(), 0);
    }
}

#[test]
fn a_listener_offers_to_receive() {
    let (a, b) = (listening(RTCBIN), App::speaking(RTCBIN));
    introduce(&a, &b);
    let said = b.say(0, 4);
    let caps = "application/x-rtp,media=audio,encoding-name=OPUS,payload=109,clock-rate=48000"
        .parse::<gst::Caps>()
        .unwrap();
    a.play();
    b.play();
    let transceiver = a.rtc.emit_by_name::<Option<WebRTCRTPTransceiver>>(
        "add-transceiver",
        &[&WebRTCRTPTransceiverDirection::Recvonly, &caps],
    );
    assert!(transceiver.is_none());
    negotiate(&a, &b);
    a.wait_heard(&said);
    assert_eq!(b.tracks(), 0);
}

#[test]
fn a_sink_pad_says_which_way_its_track_goes() {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(RTCBIN));
    introduce(&a, &b);
    let said = a.say(0, 7);
    b.say(0, 8);
    let pad = a.rtc.static_pad("sink_0").unwrap();
    pad.set_property("track-direction", WebRTCRTPTransceiverDirection::Sendonly);
    pad.set_property("msid", "speaker");
    a.play();
    b.play();
    negotiate(&a, &b);
    b.wait_heard(&said);
    assert_eq!(a.tracks(), 0);
    let description: gst_webrtc::WebRTCSessionDescription = a.rtc.property("local-description");
    let text = text(&description);
    assert!(
        text.contains("a=sendonly") && text.contains("a=msid:speaker "),
        "{text}"
    );
}
