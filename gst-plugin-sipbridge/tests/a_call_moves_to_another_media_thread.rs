// SPDX-License-Identifier: MPL-2.0
//! A call moves from one media thread to another while both ends speak, and nobody hears it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Line, eventually, threads_named};
use sipbridge_measure::steady::asserted_steadily;

fn counter(line: &Line, name: &str) -> u64 {
    let stats = line.element("s").property::<gst::Structure>("stats");
    stats.get(name).unwrap_or(0)
}

/// A far end may have got more than it expected (RFC 3550 section 6.4.1): it is signed.
fn lost(line: &Line) -> i64 {
    let stats = line.element("s").property::<gst::Structure>("stats");
    stats.get("packets-lost").unwrap()
}

#[test]
fn and_no_packet_is_lost_either_way() {
    asserted_steadily(|| {
        let (answering, uri) = Line::answering(
            "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! \
         sipbin name=s mode=listener auto-answer=true context=still agent::address=127.0.0.1 \
         agent::port=0 ! fakesink sync=false",
        );
        let calling = Line::new(&format!(
            "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! \
         sipbin name=s uri={uri} context=here agent::address=127.0.0.1 agent::port=0 ! \
         fakesink sync=false"
        ));
        calling.play();
        calling.wait_state("answered");
        let hears = |line: &Line, packets: u64| {
            let before = counter(line, "packets-received");
            eventually("packets", || {
                counter(line, "packets-received") >= before + packets
            });
        };
        hears(&calling, 10);
        for context in ["there", "here", "there"] {
            calling.element("s").set_property("context", context);
            hears(&calling, 25);
            hears(&answering, 25);
            assert_eq!(threads_named(context), 1);
            let stats = calling.element("s").property::<gst::Structure>("stats");
            assert_eq!(stats.get::<&str>("context"), Ok(context));
            let load: f64 = stats.get("context-load").unwrap();
            assert!((0.0..1.0).contains(&load), "{load}");
            assert!(stats.get::<f64>("context-late").unwrap() < 20.0);
            assert_eq!(stats.get::<u64>("context-overruns"), Ok(0));
        }
        eventually("the thread that was left ends", || {
            threads_named("here") == 0
        });
        for line in [&calling, &answering] {
            assert_eq!(lost(line), 0);
        }
        let stays = calling.element("s").property::<String>("context");
        assert_eq!(stays, "there");
    })
}
