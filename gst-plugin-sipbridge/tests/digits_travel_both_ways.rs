// SPDX-License-Identifier: MPL-2.0
//! Digits by action signal and by GStreamer's own event are told on the other side as GStreamer's own
//! message.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::Line;
use sipbridge_measure::steady::asserted_steadily;

/// GStreamer's methods: RTP events, and tones.
const EVENTS: i32 = 1;
const TONES: i32 = 2;

fn event(method: i32, number: Option<i32>) -> gst::Structure {
    let event = gst::Structure::builder("dtmf-event")
        .field("type", 1i32)
        .field("method", method);
    match number {
        Some(number) => event
            .field("number", number)
            .field("volume", 25i32)
            .field("start", true)
            .build(),
        None => event.field("start", false).build(),
    }
}

#[test]
fn by_signal_and_by_event() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 s. ! fakesink sync=false",
        );
        let calling = Line::new(&format!(
            "sipbin name=s uri={uri} s. ! fakesink name=f sync=false"
        ));
        calling.play();
        calling.wait_state("answered");
        called.wait_state("answered");
        assert!(
            calling
                .element("s")
                .emit_by_name::<bool>("send-dtmf", &[&"1a#", &80u32])
        );
        assert_eq!(called.wait_digits(3), [1, 12, 11]);
        assert!(
            called
                .element("s")
                .emit_by_name::<bool>("send-dtmf", &[&"90", &80u32])
        );
        assert_eq!(calling.wait_digits(2), [9, 0]);
        assert!(
            !calling
                .element("s")
                .emit_by_name::<bool>("send-dtmf", &[&"1x", &80u32])
        );
        // Upstream from what is after the source, as dtmfsrc and its friends take them.
        let pad = calling.element("f").static_pad("sink").unwrap();
        assert!(pad.push_event(gst::event::CustomUpstream::new(event(EVENTS, Some(7)))));
        assert!(pad.push_event(gst::event::CustomUpstream::new(event(EVENTS, None))));
        assert_eq!(called.wait_digits(1), [7]);
    })
}

/// GStreamer's own source of tones, driven as applications drive it: the far end, which is to listen for tones,
/// tells each of them once.
#[test]
fn by_the_tones_of_dtmfsrc() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true dtmf=inband agent::address=127.0.0.1 agent::port=0 s. ! fakesink sync=false",
        );
        let calling = Line::new(&format!(
            "dtmfsrc name=d ! audioconvert ! audioresample ! sipsink name=s uri={uri}"
        ));
        calling.play();
        calling.wait_state("answered");
        called.wait_state("answered");
        let source = calling.element("d");
        for number in [5, 0, 11] {
            for event in [event(TONES, Some(number)), event(TONES, None)] {
                assert!(source.send_event(gst::event::CustomUpstream::new(event)));
            }
        }
        let told = called.wait_presses(3);
        let numbers: Vec<i32> = told.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, [5, 0, 11]);
        for (number, ms, form) in told {
            assert_eq!(form, "inband");
            // Its shortest tone.
            assert!(ms.abs_diff(250) <= 40, "{number}: {ms} ms");
        }
    })
}
