// SPDX-License-Identifier: MPL-2.0
//! Once a call runs, its media thread takes no memory from the allocator for a packet. A file, and
//! so a process, of its own: it counts what the allocator is asked for.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::memory::{Counting, asked};
use kit::{Line, eventually};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The two ends of a call in this codec.
fn call((codec, srtp): (&str, &str)) -> [Line; 2] {
    let sip = format!(
        "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! \
         sipbin name=s codecs=<{codec}> srtp={srtp} handover=direct agent::address=127.0.0.1 agent::port=0"
    );
    let (answering, uri) = Line::answering(&format!(
        "{sip} mode=listener auto-answer=true ! fakesink sync=false"
    ));
    let calling = Line::new(&format!("{sip} uri={uri} ! fakesink sync=false"));
    calling.play();
    calling.wait_state("answered");
    [calling, answering]
}

fn received(lines: &[Line]) -> u64 {
    let of = |line: &Line| {
        let stats = line.element("s").property::<gst::Structure>("stats");
        stats.get::<u64>("packets-received").unwrap()
    };
    lines.iter().map(of).sum()
}

#[test]
fn in_any_codec() {
    let lines: Vec<Line> = ["pcmu", "pcma", "g722", "l16", "opus"]
        .map(|codec| (codec, "off"))
        .into_iter()
        .chain([("pcmu", "required"), ("opus", "required")])
        .flat_map(call)
        .collect();
    let runs_on = |packets: u64| {
        let until = received(&lines) + packets * lines.len() as u64;
        eventually("packets", || received(&lines) >= until);
    };
    // Buffers grow to the size they need.
    runs_on(50);
    let before = (asked(), received(&lines));
    runs_on(100);
    let allocations = asked() - before.0;
    let packets = received(&lines) - before.1;
    // Reports and snapshots of the counters come with time, not with packets.
    assert!(
        allocations * 8 < packets,
        "{allocations} allocations in {packets} packets each way"
    );
}
