// SPDX-License-Identifier: MPL-2.0
//! Two ends that do not speak RFC 4733 press keys by SIP INFO, in both directions, in order, each told
//! once and with its length.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::Line;
use sipbridge_measure::steady::asserted_steadily;

fn press(line: &Line, digits: &str, ms: u32) -> bool {
    line.element("s")
        .emit_by_name::<bool>("send-dtmf", &[&digits, &ms])
}

#[test]
fn both_ways() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true dtmf=info agent::address=127.0.0.1 agent::port=0 s. ! fakesink sync=false",
        );
        let calling = Line::new(&format!("sipbin name=s uri={uri} s. ! fakesink sync=false"));
        calling.play();
        calling.wait_state("answered");
        called.wait_state("answered");
        // The caller would take events, but the other side did not agree to any.
        assert!(press(&calling, "1a#", 50));
        assert!(press(&called, "09*", 70));
        let from_calling = called.wait_presses(3);
        let from_called = calling.wait_presses(3);
        let told = |number, ms| (number, ms, "info".to_owned());
        assert_eq!(from_calling, [told(1, 50), told(12, 50), told(11, 50)]);
        assert_eq!(from_called, [told(0, 70), told(9, 70), told(10, 70)]);
    })
}

#[test]
fn events_alone_are_not_replaced_by_anything() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true dtmf=info agent::address=127.0.0.1 agent::port=0 s. ! fakesink sync=false",
        );
        let calling = Line::new(&format!(
            "sipbin name=s dtmf=rfc4733 uri={uri} s. ! fakesink sync=false"
        ));
        calling.play();
        calling.wait_state("answered");
        called.wait_state("answered");
        assert!(!press(&calling, "1", 50));
        // INFO is heard whatever is sent.
        assert!(press(&called, "5", 50));
        assert_eq!(calling.wait_presses(1), [(5, 50, "info".to_owned())]);
    })
}
