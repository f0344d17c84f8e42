// SPDX-License-Identifier: MPL-2.0
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;

use crate::app::{App, RTCBIN, WEBRTCBIN, introduce, negotiate};
use crate::kit::eventually;

#[test]
fn a_second_track_joins_while_the_first_speaks() {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(RTCBIN));
    introduce(&a, &b);
    let needed = Arc::new(AtomicUsize::new(0));
    let asked = needed.clone();
    a.rtc.connect("on-negotiation-needed", false, move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        None
    });
    let first = a.say(0, 31);
    b.say(0, 32);
    a.play();
    b.play();
    eventually("a is asked to offer", || needed.load(Ordering::SeqCst) == 1);
    negotiate(&a, &b);
    b.wait_heard(&first);
    a.add_mouth(1);
    let second = a.say(1, 33);
    eventually("a is asked again", || needed.load(Ordering::SeqCst) == 2);
    negotiate(&a, &b);
    b.wait_heard(&second);
    assert_eq!(b.tracks(), 2);
    assert_eq!(a.tracks(), 1);
}

/// Renegotiation with one of each kind.
fn joins(offers: &str, answers: &str) {
    let (a, b) = (App::speaking(offers), App::speaking(answers));
    introduce(&a, &b);
    let first = a.say(0, 34);
    b.say(0, 35);
    a.play();
    b.play();
    a.wait_described("sink_0");
    negotiate(&a, &b);
    b.wait_heard(&first);
    a.add_mouth(1);
    let second = a.say(1, 36);
    a.wait_described("sink_1");
    negotiate(&a, &b);
    b.wait_heard(&second);
    assert_eq!((a.tracks(), b.tracks()), (1, 2));
    a.line.no_errors();
    b.line.no_errors();
}

#[test]
fn a_second_track_of_rtcbin_joins_at_webrtcbin() {
    joins(RTCBIN, WEBRTCBIN);
}

#[test]
fn a_second_track_of_webrtcbin_joins_at_rtcbin() {
    joins(WEBRTCBIN, RTCBIN);
}

#[test]
fn several_tracks_from_the_start() {
    let (a, b) = (App::with_mouths(RTCBIN, 3), App::speaking(RTCBIN));
    introduce(&a, &b);
    let said: Vec<_> = (0..3).map(|n| a.say(n, 40 + n as u64)).collect();
    b.say(0, 50);
    a.play();
    b.play();
    negotiate(&a, &b);
    for said in &said {
        b.wait_heard(said);
    }
}
