// SPDX-License-Identifier: MPL-2.0
//! An echo line that keeps listening: each of its callers hears themselves, one after the other.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;

use kit::{Ear, Line, RATE_HZ, eventually, most_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

const ECHO: &str = "sipbin name=s mode=listener auto-answer=true keep-listening=true \
    agent::address=127.0.0.1 agent::port=0 s. ! queue ! s.";

#[test]
fn one_listener_answers_call_after_call() {
    asserted_steadily(|| {
        let (echo, uri) = Line::answering(ECHO);
        for seed in 1..=3 {
            let said = voice(seed, 3.0);
            let caller = Line::new(&format!(
                "sipbin name=c uri={uri} codecs=<pcma> \
             appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! c. \
             c. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false"
            ));
            let hears = Ear::on(&caller, "ear");
            caller.play();
            caller.wait_state("answered");
            say(&caller, "mouth", &said, false);
            // What a line holds too much of when a call begins, it leaves out in the first pauses.
            eventually("the caller hears what they said", || {
                most_of(&said, &hears.samples(), RATE_HZ) > 0.9
            });
            let done = caller
                .element("c")
                .emit_by_name::<bool>("hangup", &[&0u32, &"bye"]);
            assert!(done);
            echo.wait_state("ended");
            caller.no_errors();
        }
        echo.no_errors();
    })
}
