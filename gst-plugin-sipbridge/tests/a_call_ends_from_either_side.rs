// SPDX-License-Identifier: MPL-2.0
//! Whoever hangs up: the other side's stream ends, and everything is released.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Line, count_descriptors, eventually};

const CALLED: &str = "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
    audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! s. s. ! fakesink sync=false";

fn caller(uri: &str) -> String {
    format!(
        "sipbin name=s uri={uri} codecs=<pcmu> \
         audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! s. s. ! fakesink sync=false"
    )
}

fn hangs_up(who: impl Fn(&Line, &Line)) {
    // The first call starts what stays: the agents' thread, the media threads.
    for round in 0..3 {
        let before = count_descriptors();
        {
            let (called, uri) = Line::answering(CALLED);
            let calling = Line::new(&caller(&uri));
            calling.play();
            calling.wait_state("answered");
            called.wait_state("answered");
            who(&calling, &called);
            let ended = calling.wait_state("ended");
            assert!(!ended.get::<&str>("sip-call-id").unwrap().is_empty());
            called.wait_state("ended");
            calling.wait_eos();
            called.wait_eos();
            calling.no_errors();
            called.no_errors();
        }
        if round > 0 {
            eventually("descriptors are back", || count_descriptors() <= before);
        }
    }
}

#[test]
fn the_caller() {
    hangs_up(|calling, _| {
        let done = calling
            .element("s")
            .emit_by_name::<bool>("hangup", &[&0u32, &"bye"]);
        assert!(done);
    });
}

#[test]
fn the_called() {
    hangs_up(|_, called| {
        let done = called
            .element("s")
            .emit_by_name::<bool>("hangup", &[&0u32, &None::<String>]);
        assert!(done);
    });
}

#[test]
fn the_end_of_what_is_said() {
    let (called, uri) = Line::answering(CALLED);
    let calling = Line::new(&format!(
        "audiotestsrc num-buffers=20 ! audio/x-raw,rate=8000,channels=1 ! sipbin name=s uri={uri}"
    ));
    calling.play();
    calling.wait_eos();
    let ended = called.wait_state("ended");
    assert_eq!(ended.get::<&str>("by").unwrap(), "remote");
    called.wait_eos();
}

#[test]
fn a_pipeline_that_is_taken_down() {
    let (called, uri) = Line::answering(CALLED);
    let calling = Line::new(&caller(&uri));
    calling.play();
    calling.wait_state("answered");
    drop(calling);
    called.wait_state("ended");
    called.wait_eos();
}
