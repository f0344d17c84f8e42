// SPDX-License-Identifier: MPL-2.0
//! DTLS-SRTP and ICE on a side: against another bridge, against rtcbin and against webrtcbin.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCSDPType, WebRTCSessionDescription};
use sip_ua::sdp::{Codec, TlsId, write_fingerprint};
use sipbridge_measure::steady::asserted_steadily;

use crate::app::{App, RTCBIN, WEBRTCBIN, described, text};
use crate::every_pair::each;
use crate::kit::{eventually, voice};
use crate::phone::{Bridge, Phone, hear_each_other};

/// How two bridges find each other.
const ICE: [&str; 3] = ["off", "lite", "full"];

pub fn shaking(ice: &str) -> String {
    format!("\"side,address=127.0.0.1,dtls=true,ice={ice}\"")
}

/// Alice, a bridge, another bridge, and Bob: between the bridges hands are shaken.
fn chained((alice, near): (&mut Phone, &Bridge), (bob, far): (&mut Phone, &Bridge)) {
    let offer = near.offer("alice", &alice.offer()).unwrap();
    assert!(offer.contains(" UDP/TLS/RTP/SAVPF "), "{offer}");
    let answer = bob.answer(&far.offer("alice", &offer).unwrap());
    let answer = far.answer("alice", "bob", &answer).unwrap();
    alice.accept(&near.answer("alice", "bob", &answer).unwrap());
    hear_each_other(alice, bob);
    for (bridge, side) in [(near, "b"), (far, "a")] {
        let stats = bridge.stats(side);
        assert!(stats.has_field("srtp-suite"), "{stats}");
        assert_eq!(stats.get::<u64>("packets-forged"), Ok(0), "{stats}");
    }
}

#[test]
fn with_checks_and_without_on_both_ends() {
    asserted_steadily(|| {
        each(&ICE, |one, other| {
            let near = Bridge::new(&format!("side-b={}", shaking(one)));
            let far = Bridge::new(&format!("side-a={}", shaking(other)));
            let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
            chained((&mut alice, &near), (&mut bob, &far));
        });
    });
}

/// What the app says, with all its candidates.
fn says(app: &App, description: &WebRTCSessionDescription) -> String {
    assert_eq!(app.apply("set-local-description", description), None);
    eventually("all candidates", || {
        let state: WebRTCICEGatheringState = app.rtc.property("ice-gathering-state");
        state == WebRTCICEGatheringState::Complete
    });
    let local: WebRTCSessionDescription = app.rtc.property("local-description");
    text(&local)
}

fn offers(app: &App, bridge: &Bridge, bob: &mut Phone) {
    let offer = app.create(WebRTCSDPType::Offer);
    carry_offer(app, &offer, bridge, bob);
}

/// The app offers this, and Bob answers.
fn carry_offer(app: &App, offer: &WebRTCSessionDescription, bridge: &Bridge, bob: &mut Phone) {
    let offer = says(app, offer);
    let answer = bob.answer(&bridge.offer("app", &offer).unwrap());
    let answer = bridge.answer("app", "bob", &answer).unwrap();
    let answer = described(WebRTCSDPType::Answer, &answer);
    assert_eq!(app.apply("set-remote-description", &answer), None);
}

/// Bob offers, and the app answers.
fn answers(bob: &mut Phone, bridge: &Bridge, app: &App) {
    let offer = bridge.offer("bob", &bob.offer()).unwrap();
    let offer = described(WebRTCSDPType::Offer, &offer);
    assert_eq!(app.apply("set-remote-description", &offer), None);
    let answer = app.create(WebRTCSDPType::Answer);
    let answer = says(app, &answer);
    bob.accept(&bridge.answer("bob", "app", &answer).unwrap());
}

/// An app that speaks, and what it says.
fn speaking(factory: &str) -> (App, Vec<i16>) {
    // As bridges number it: who answers keeps to that.
    let app = App::speaking_as(factory, 111);
    let said = app.say(0, 11);
    app.play();
    app.wait_described("sink_0");
    (app, said)
}

fn both_are_heard(app: &App, of_app: &[i16], bob: &mut Phone) {
    let of_bob = voice(22, 5.0);
    bob.say(&of_bob);
    bob.wait_heard(of_app);
    app.wait_heard(&of_bob);
    app.line.no_errors();
}

fn app_calls(factory: &str, codec: Codec, ice: &str) {
    asserted_steadily(|| {
        let bridge = Bridge::new(&format!("side-a={}", shaking(ice)));
        let mut bob = Phone::new(&[codec]);
        let (app, of_app) = speaking(factory);
        offers(&app, &bridge, &mut bob);
        both_are_heard(&app, &of_app, &mut bob);
    });
}

fn app_is_called(factory: &str) {
    asserted_steadily(|| {
        let bridge = Bridge::new(&format!("side-b={}", shaking("full")));
        let mut bob = Phone::new(&[Codec::Opus]);
        let (app, of_app) = speaking(factory);
        answers(&mut bob, &bridge, &app);
        both_are_heard(&app, &of_app, &mut bob);
    });
}

#[test]
fn rtcbin_calls_a_phone() {
    app_calls(RTCBIN, Codec::Opus, "full");
}

#[test]
fn rtcbin_calls_a_phone_of_another_codec_by_a_lite_side() {
    app_calls(RTCBIN, Codec::Pcma, "lite");
}

#[test]
fn webrtcbin_calls_a_phone() {
    app_calls(WEBRTCBIN, Codec::Opus, "full");
}

#[test]
fn webrtcbin_calls_a_phone_by_a_lite_side() {
    app_calls(WEBRTCBIN, Codec::Opus, "lite");
}

#[test]
fn a_phone_calls_rtcbin() {
    app_is_called(RTCBIN);
}

#[test]
fn a_phone_calls_webrtcbin() {
    app_is_called(WEBRTCBIN);
}

#[test]
fn checks_restart_and_audio_goes_on() {
    asserted_steadily(|| {
        let bridge = Bridge::new("profile=wss_to_rtp");
        let mut bob = Phone::new(&[Codec::Opus]);
        let (app, _) = speaking(RTCBIN);
        offers(&app, &bridge, &mut bob);
        app.wait_connected();
        let of_bob = voice(22, 5.0);
        bob.say(&of_bob);
        app.wait_heard(&of_bob);
        let before = restart(&app, &bridge, &mut bob);
        let after: WebRTCSessionDescription = app.rtc.property("remote-description");
        assert_ne!(ufrag(&text(&after)), ufrag(&before));
        let more = voice(33, 5.0);
        bob.say(&more);
        app.wait_heard(&more);
        bridge.line.no_errors();
    });
}

/// Restarts ICE; returns what the bridge had answered before that.
fn restart(app: &App, bridge: &Bridge, bob: &mut Phone) -> String {
    let before: WebRTCSessionDescription = app.rtc.property("remote-description");
    let options = gst::Structure::builder("options").field("ice-restart", true);
    let promise = gst::Promise::new();
    app.rtc
        .emit_by_name::<()>("create-offer", &[&Some(options.build()), &promise]);
    promise.wait();
    let offer: WebRTCSessionDescription = promise.get_reply().unwrap().get("offer").unwrap();
    carry_offer(app, &offer, bridge, bob);
    text(&before)
}

fn ufrag(sdp: &str) -> &str {
    let lines = sdp.lines();
    let mut found = lines.filter_map(|line| line.strip_prefix("a=ice-ufrag:"));
    found.next().unwrap()
}

/// What a description calls the association.
fn tls_id(sdp: &str) -> &str {
    let lines = sdp.lines();
    let mut found = lines.filter_map(|line| line.strip_prefix("a=tls-id:"));
    found.next().unwrap()
}

#[test]
fn a_far_end_that_wants_another_association_gets_one() {
    asserted_steadily(|| {
        for ice in ["off", "full"] {
            let near = Bridge::new(&format!("side-b={}", shaking(ice)));
            let far = Bridge::new(&format!("side-a={}", shaking(ice)));
            let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
            chained((&mut alice, &near), (&mut bob, &far));
            let mut names = Vec::new();
            for anew in [false, true] {
                let mut offer = far.offer("bob", &bob.offer()).unwrap();
                if anew {
                    offer = offer.replace(tls_id(&offer), &TlsId::random().to_string());
                }
                let answer = alice.answer(&near.offer("bob", &offer).unwrap());
                let answer = near.answer("bob", "alice", &answer).unwrap();
                names.push(tls_id(&answer).to_owned());
                bob.accept(&far.answer("bob", "alice", &answer).unwrap());
                hear_each_other(&mut alice, &mut bob);
            }
            assert_ne!(names[0], names[1], "{ice}");
        }
    });
}

#[test]
fn nothing_but_a_handshake_leaves_before_there_are_keys() {
    let bridge = Bridge::new(&format!("side-a={}", shaking("off")));
    let mut bob = Phone::new(&[Codec::Pcma]);
    // A far end that never answers the handshake.
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = deaf.local_addr().unwrap().port();
    let fingerprint = write_fingerprint(&[7; 32]);
    let offer = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} UDP/TLS/RTP/SAVP 8\r\na=rtcp-mux\r\na=setup:passive\r\n\
         a=fingerprint:{fingerprint}\r\n"
    );
    let answer = bob.answer(&bridge.offer("deaf", &offer).unwrap());
    let answer = bridge.answer("deaf", "bob", &answer).unwrap();
    assert!(answer.contains("a=setup:active"), "{answer}");
    bob.say(&voice(1, 5.0));
    let until = Instant::now() + Duration::from_secs(3);
    let mut hellos = 0;
    let mut datagram = [0; 2_048];
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        deaf.set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .unwrap();
        let Ok(length) = deaf.recv(&mut datagram) else {
            continue;
        };
        // Records of a handshake (RFC 7983), and nothing else: neither RTP nor RTCP.
        assert!(
            (20..=63).contains(&datagram[0]),
            "{:?}",
            &datagram[..length]
        );
        hellos += 1;
    }
    assert!(hellos >= 1, "no handshake was begun");
}

/// The code of what is refused.
fn hand_in(bridge: &Bridge, fields: &[(&str, &str)]) -> Option<u32> {
    let mut structure = gst::Structure::new_empty("fields");
    for (name, value) in fields {
        structure.set(*name, *value);
    }
    let reply = bridge.ask("add-ice-candidate", Some(structure));
    reply.get::<u32>("code").ok()
}

/// A description without its candidates, and these.
fn parted(sdp: &str) -> (String, Vec<&str>) {
    let is_one = |line: &&str| line.starts_with("a=candidate:");
    let is_rest = |line: &&str| !is_one(line) && !line.starts_with("a=end-of-candidates");
    let rest: String = sdp.split_inclusive("\r\n").filter(is_rest).collect();
    let found = sdp.lines().filter(is_one);
    (rest, found.map(|line| &line["a=".len()..]).collect())
}

#[test]
fn who_says_where_they_are_later_is_found_then() {
    asserted_steadily(|| {
        let bridge = Bridge::new("profile=wss_to_rtp");
        let mut bob = Phone::new(&[Codec::Opus]);
        let (app, of_app) = speaking(RTCBIN);
        let offer = says(&app, &app.create(WebRTCSDPType::Offer));
        let (offer, candidates) = parted(&offer);
        let answer = bob.answer(&bridge.offer("app", &offer).unwrap());
        let answer = bridge.answer("app", "bob", &answer).unwrap();
        // It never learns where the bridge is but by the bridge's own checks.
        let (answer, _) = parted(&answer);
        let answer = described(WebRTCSDPType::Answer, &answer);
        assert_eq!(app.apply("set-remote-description", &answer), None);
        assert!(!candidates.is_empty());
        for candidate in candidates {
            let fields = [("candidate", candidate), ("tag", "app")];
            assert_eq!(hand_in(&bridge, &fields), None, "{candidate}");
        }
        both_are_heard(&app, &of_app, &mut bob);
    });
}

#[test]
fn candidates_may_be_handed_in_by_tag_and_by_side() {
    let bridge = Bridge::new("profile=wss_to_rtp");
    let (app, _) = speaking(RTCBIN);
    let offer = app.create(WebRTCSDPType::Offer);
    let offer = says(&app, &offer);
    let candidate = "candidate:9 1 udp 1 127.0.0.1 9 typ host";
    let hand_in = |fields: &[(&str, &str)]| hand_in(&bridge, fields);
    let by_tag = [("candidate", candidate), ("tag", "app")];
    assert_eq!(hand_in(&by_tag), Some(481), "there is no bridge");
    bridge.offer("app", &offer).unwrap();
    assert_eq!(hand_in(&by_tag), None);
    assert_eq!(hand_in(&[("candidate", candidate), ("side", "a")]), None);
    for (fields, code) in [
        ([("candidate", candidate), ("tag", "nobody")], 481),
        ([("candidate", candidate), ("side", "c")], 400),
        ([("tag", "app"), ("side", "a")], 400),
    ] {
        assert_eq!(hand_in(&fields), Some(code), "{fields:?}");
    }
}
