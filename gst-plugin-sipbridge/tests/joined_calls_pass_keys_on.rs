// SPDX-License-Identifier: MPL-2.0
//! Two calls joined in a pipeline pass keys on, whatever form each side speaks, and a call that leads back
//! to itself does not press its own keys.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::mpsc::channel;

use gst::prelude::*;
use kit::Line;
use sipbridge_measure::steady::asserted_steadily;

const AGENT: &str = "agent::address=127.0.0.1 agent::port=0";

fn phone(dtmf: &str) -> (Line, String) {
    Line::answering(&format!(
        "sipbin name=s mode=listener auto-answer=true dtmf={dtmf} {AGENT} s. ! fakesink sync=false"
    ))
}

fn press(line: &Line, digits: &str, ms: u32) -> bool {
    line.element("s")
        .emit_by_name::<bool>("send-dtmf", &[&digits, &ms])
}

fn both_are_answered(bridge: &Line) {
    let answered = RefCell::new(HashSet::new());
    bridge.wait("two answered calls", |message| {
        let state = message.structure()?;
        if state.name() == "sip-call-state" && state.get::<&str>("state") == Ok("answered") {
            answered
                .borrow_mut()
                .insert(state.get::<String>("call").ok()?);
        }
        (answered.borrow().len() == 2).then_some(())
    });
}

/// Until what the far end of this sipbin sends comes out of it.
fn hears(line: &Line, sipbin: &str) {
    let (tell, told) = channel();
    let pad = line.element(sipbin).static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let silence = info
            .buffer()
            .is_none_or(|buffer| buffer.flags().contains(gst::BufferFlags::GAP));
        if silence {
            return gst::PadProbeReturn::Ok;
        }
        // A test that was not told in time has left.
        let _ = tell.send(());
        gst::PadProbeReturn::Remove
    });
    told.recv_timeout(kit::PATIENCE).unwrap();
}

fn digits(presses: &[(i32, u32, String)], form: &str, ms: u32) -> Vec<i32> {
    for (number, held, came) in presses {
        assert_eq!(came, form, "{number}");
        assert!(held.abs_diff(ms) <= 15, "{number}: {held} ms, not {ms}");
    }
    presses.iter().map(|(number, ..)| *number).collect()
}

#[test]
fn from_every_form_to_every_other() {
    asserted_steadily(|| {
        for (one, other) in [
            ("rfc4733", "inband"),
            ("info", "rfc4733"),
            ("inband", "info"),
        ] {
            let (left, left_uri) = phone(one);
            let (right, right_uri) = phone(other);
            // Left and right differ in what they speak, the two calls between them take what they find.
            let bridge = Line::new(&format!(
                "sipbin name=s dtmf={one} uri={left_uri} sipbin name=t dtmf={other} uri={right_uri} \
             s. ! queue ! t. t. ! queue ! s."
            ));
            bridge.play();
            left.wait_state("answered");
            right.wait_state("answered");
            both_are_answered(&bridge);
            // Answered comes first, then the audio: a tone before it would be heard without its beginning.
            for (line, name) in [(&left, "s"), (&right, "s"), (&bridge, "s"), (&bridge, "t")] {
                hears(line, name);
            }
            assert!(press(&left, "12#", 100));
            assert_eq!(
                digits(&right.wait_presses(3), other, 100),
                [1, 2, 11],
                "{one} to {other}"
            );
            assert!(press(&right, "90*", 100));
            assert_eq!(
                digits(&left.wait_presses(3), one, 100),
                [9, 0, 10],
                "{other} to {one}"
            );
        }
    })
}

#[test]
fn an_echo_presses_nothing_back() {
    asserted_steadily(|| {
        let (echo, uri) = Line::answering(&format!(
            "sipbin name=s mode=listener auto-answer=true dtmf=info {AGENT} s. ! queue ! s."
        ));
        let calling = Line::new(&format!("sipbin name=s uri={uri} s. ! fakesink sync=false"));
        calling.play();
        calling.wait_state("answered");
        echo.wait_state("answered");
        assert!(press(&calling, "7", 50));
        assert_eq!(digits(&echo.wait_presses(1), "info", 50), [7]);
        // What the other side presses comes after anything that was sent back before it.
        assert!(press(&echo, "3", 50));
        assert_eq!(digits(&calling.wait_presses(1), "info", 50), [3]);
    })
}
