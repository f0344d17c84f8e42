// SPDX-License-Identifier: MPL-2.0
//! Twenty calls run on the media threads alone. A file, and so a process, of its own: it counts
//! threads.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Line, count_threads, eventually, threads_named};

const CALLS: usize = 20;

/// Threads that came with twenty calls, and threads of their own pads among them; the calls push into `downstream` in this way.
fn added_by_calls(handover: &str, downstream: &str) -> (usize, usize) {
    let answering: Vec<(Line, String)> = (0..=CALLS)
        .map(|_| {
            Line::answering(
                "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! \
                 sipsink name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0",
            )
        })
        .collect();
    let call = |uri: &str| {
        let line = Line::new(&format!(
            "sipsrc name=s uri={uri} {handover} codecs=<pcma> ! {downstream}"
        ));
        line.play();
        line.wait_state("answered");
        let sip = line.element("s");
        eventually("media", || {
            let stats = sip.property::<gst::Structure>("stats");
            stats
                .get::<u64>("packets-received")
                .is_ok_and(|packets| packets > 5)
        });
        line
    };
    // The first call starts what all share.
    let _warm_up = call(&answering[CALLS].1);
    let before = count_threads();
    let calls: Vec<Line> = answering[..CALLS]
        .iter()
        .map(|(_, uri)| call(uri))
        .collect();
    let added = count_threads().saturating_sub(before);
    let own = threads_named("s:src");
    drop(calls);
    (added, own)
}

#[test]
fn but_those_that_the_application_asks_for() {
    assert_eq!(
        added_by_calls("handover=direct", "fakesink sync=false"),
        (0, 0)
    );
    // GLib keeps idle threads for the queues to use, so that the sum says nothing from here on.
    let queue = "queue leaky=downstream ! fakesink sync=false";
    assert_eq!(added_by_calls("handover=auto", queue).1, 0);
    // The control: where what follows may block, a thread of each pad stands between.
    assert_eq!(
        added_by_calls("handover=auto", "fakesink sync=false").1,
        CALLS + 1
    );
}
