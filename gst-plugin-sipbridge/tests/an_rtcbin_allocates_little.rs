// SPDX-License-Identifier: MPL-2.0
//! What an rtcbin asks the allocator for, for each packet. A file, and so a process, of its own: it counts.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "rtcbin/app.rs"]
#[allow(dead_code, reason = "each test uses the part it needs")]
mod app;
#[path = "rtcbin/feed.rs"]
mod feed;
mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app::{App, RTCBIN, introduce, negotiate};
use feed::Feed;
use gst::prelude::*;
use kit::eventually;
use kit::memory::{Counting, asked};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One that is fed packets, and one that takes them.
struct Pair {
    apps: [App; 2],
    feed: Feed,
    taken: Arc<AtomicU64>,
}

impl Pair {
    fn new() -> Pair {
        let launch = "rtcbin name=rtc local-addresses=127.0.0.1 handover=direct";
        let apps = [(); 2].map(|()| App::deaf(RTCBIN, launch));
        let feeds = apps.each_ref().map(Feed::start);
        let taken = Arc::<AtomicU64>::default();
        let counter = taken.clone();
        apps[1].rtc.connect_pad_added(move |_, pad| {
            let counter = counter.clone();
            if pad.direction() == gst::PadDirection::Src {
                pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    gst::PadProbeReturn::Ok
                });
            }
        });
        introduce(&apps[0], &apps[1]);
        negotiate(&apps[0], &apps[1]);
        apps.iter().for_each(App::wait_connected);
        let [feed, _] = feeds;
        Pair { apps, feed, taken }
    }

    /// Packets go in at one end, and come out at the other.
    fn talk(&self, packets: u64) {
        for _ in 0..packets {
            let before = self.taken.load(Ordering::Relaxed);
            self.feed.say();
            eventually("the packet", || self.taken.load(Ordering::Relaxed) > before);
        }
    }
}

#[test]
fn for_each_packet() {
    let pair = Pair::new();
    // Until a pad is there, and all is as large as it gets.
    eventually("a pad", || {
        pair.feed.say();
        !pair.apps[1].rtc.src_pads().is_empty()
    });
    pair.talk(200);
    // Reports and checks come with time, not with packets: not in every round.
    let packets = 20;
    let rounds = (0..20).map(|_| {
        let before = asked();
        pair.talk(packets);
        asked() - before
    });
    let least = rounds.min().unwrap();
    // What comes in goes on downstream as it is: its octets, and what GStreamer wraps around them. What goes out
    // takes none.
    assert!(
        least <= packets * 2,
        "{least} allocations for {packets} packets"
    );
}
