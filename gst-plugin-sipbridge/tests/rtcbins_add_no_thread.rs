// SPDX-License-Identifier: MPL-2.0
//! Twenty WebRTC connections run on the media threads alone, at a socket each. A file, and so a
//! process, of its own: it counts threads, descriptors and memory.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "rtcbin/app.rs"]
#[allow(dead_code, reason = "each test uses the part it needs")]
mod app;
#[path = "rtcbin/feed.rs"]
mod feed;
mod kit;

use app::{App, RTCBIN, introduce, negotiate};
use feed::Feed;
use gst::prelude::*;
use kit::{count_descriptors, eventually};

const PAIRS: usize = 10;

/// What the threads of the process are called.
fn threads() -> Vec<String> {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Memory of the process, in kilobytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A connection, and a pad that feeds it.
struct Leg {
    app: App,
    feed: Feed,
}

impl Leg {
    fn new() -> Leg {
        let app = App::deaf(
            RTCBIN,
            "rtcbin name=rtc local-addresses=127.0.0.1 handover=direct",
        );
        let feed = Feed::start(&app);
        Leg { app, feed }
    }
}

fn pair() -> [Leg; 2] {
    let legs = [Leg::new(), Leg::new()];
    introduce(&legs[0].app, &legs[1].app);
    negotiate(&legs[0].app, &legs[1].app);
    for leg in &legs {
        leg.app.wait_connected();
    }
    eventually("packets both ways", || {
        legs.iter().for_each(|leg| leg.feed.say());
        legs.iter().all(|leg| !leg.app.rtc.src_pads().is_empty())
    });
    legs
}

#[test]
fn and_little_memory() {
    // The first start what all share.
    let _first = [pair(), pair()];
    let before = (count_descriptors(), resident());
    let pairs: Vec<[Leg; 2]> = (0..PAIRS).map(|_| pair()).collect();
    let after = (count_descriptors(), resident());
    let connections = 2 * PAIRS;
    // An application's pipeline has a bus, which is not ours.
    let descriptors = (after.0 - before.0).saturating_sub(connections * bus_descriptors());
    assert!(
        descriptors <= 2 * connections,
        "{descriptors} descriptors for {connections} connections"
    );
    let kilobytes = after.1.saturating_sub(before.1) / connections;
    assert!(
        kilobytes <= 300,
        "{kilobytes} kB a connection, with the pipeline around it"
    );
    let names = threads();
    let media = names.iter().filter(|name| name.starts_with("sipbridge-"));
    assert!(media.count() <= 4, "{names:?}");
    // The test's own two, the media threads, and those of GLib's pool, which end when they idle.
    let known = ["rtcbins_add", "and_little", "sipbridge-", "pool-", "gmain"];
    assert!(
        names
            .iter()
            .all(|name| known.iter().any(|word| name.starts_with(word))),
        "{names:?}"
    );
    drop(pairs);
    eventually("sockets are closed", || count_descriptors() <= before.0);
}

/// The descriptors of a pipeline's bus, once somebody polls it.
fn bus_descriptors() -> usize {
    let before = count_descriptors();
    let pipeline = gst::Pipeline::new();
    let _ = pipeline.bus().unwrap().pop();
    count_descriptors() - before
}
