// SPDX-License-Identifier: MPL-2.0
//! What an rtcbin asks the allocator for, for each packet. A file, and so a process, of its own: it counts.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "rtcbin/app.rs"]
#[allow(dead_code, reason = "each test uses the part it needs")]
mod app;
mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app::{App, RTCBIN, introduce, negotiate};
use gst::prelude::*;
use kit::eventually;
use kit::memory::{Counting, asked};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One that is fed packets, and one that takes them.
struct Pair {
    apps: [App; 2],
    feed: gst::Pad,
    taken: Arc<AtomicU64>,
    said: std::cell::Cell<u16>,
}

impl Pair {
    fn new() -> Pair {
        let launch = "rtcbin name=rtc local-addresses=127.0.0.1 handover=direct";
        let apps = [(); 2].map(|()| App::deaf(RTCBIN, launch));
        let feeds = apps.each_ref().map(feed);
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
        Pair {
            apps,
            feed,
            taken,
            said: std::cell::Cell::new(0),
        }
    }

    fn say(&self) {
        let sequence = self.said.get();
        self.said.set(sequence + 1);
        let mut bytes = vec![0x80, 96];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&(u32::from(sequence) * 960).to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 7]);
        bytes.extend_from_slice(&[1; 80]);
        self.feed.push(gst::Buffer::from_mut_slice(bytes)).unwrap();
    }

    /// Packets go in at one end, and come out at the other.
    fn talk(&self, packets: u64) {
        for _ in 0..packets {
            let before = self.taken.load(Ordering::Relaxed);
            self.say();
            eventually("the packet", || self.taken.load(Ordering::Relaxed) > before);
        }
    }
}

fn feed(app: &App) -> gst::Pad {
    let feed = gst::Pad::builder(gst::PadDirection::Src).build();
    feed.set_active(true).unwrap();
    let sink = app.rtc.request_pad_simple("sink_%u").unwrap();
    feed.link(&sink).unwrap();
    app.play();
    let caps = "application/x-rtp,media=audio,encoding-name=OPUS,payload=96,clock-rate=48000";
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    feed.push_event(gst::event::StreamStart::new("feed"));
    feed.push_event(gst::event::Caps::new(&caps.parse().unwrap()));
    feed.push_event(gst::event::Segment::new(&segment));
    feed
}

#[test]
fn for_each_packet() {
    let pair = Pair::new();
    // Until a pad is there, and all is as large as it gets.
    eventually("a pad", || {
        pair.say();
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
