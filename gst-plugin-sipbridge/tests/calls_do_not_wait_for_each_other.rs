// SPDX-License-Identifier: MPL-2.0
//! All calls share their media threads. One pipeline is paused, another blocks in its sink: the rest
//! has no gap.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gst::prelude::*;
use kit::{Ear, Line, eventually};
use sipbridge_measure::steady::asserted_steadily;

const CALLED: &str = "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
    audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 ! s.";

fn called() -> (Line, String) {
    Line::answering(CALLED)
}

/// A steady tone has no gap if no 20 ms of it are silent.
fn silent_frames(heard: &[i16]) -> usize {
    heard
        .chunks_exact(160)
        .skip(10)
        .filter(|frame| frame.iter().all(|sample| sample.unsigned_abs() < 500))
        .count()
}

#[test]
fn a_paused_and_a_blocked_neighbour() {
    asserted_steadily(|| {
        let answering: Vec<(Line, String)> = (0..3).map(|_| called()).collect();
        let uri = |index: usize| answering[index].1.clone();
        let good = Line::new(&format!(
            "sipsrc context=shared uri={} codecs=<pcma> ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false",
            uri(0)
        ));
        let ear = Ear::on(&good, "ear");
        // No queue after it: what blocks here blocks the thread that pushes.
        let paused = Line::new(&format!(
            "sipsrc context=shared uri={} codecs=<pcma> ! fakesink name=f",
            uri(1)
        ));
        let blocked = Line::new(&format!(
            "sipsrc context=shared uri={} codecs=<pcma> ! fakesink name=f sync=false signal-handoffs=true",
            uri(2)
        ));
        let asleep = Arc::new(AtomicBool::new(false));
        let sleeps = asleep.clone();
        blocked.element("f").connect("handoff", false, move |_| {
            // Blocking is what is tested here.
            std::thread::sleep(Duration::from_secs(1));
            sleeps.store(true, Ordering::Release);
            None
        });
        for line in [&good, &paused, &blocked] {
            line.play();
        }
        paused.wait_state("answered");
        paused.pipeline.set_state(gst::State::Paused).unwrap();
        eventually("the neighbour blocked, and three seconds of ours", || {
            asleep.load(Ordering::Acquire) && ear.samples().len() > 3 * 8_000
        });
        assert_eq!(silent_frames(&ear.samples()), 0);
        for pair in ear.times().windows(2) {
            let step = pair[1].nseconds() - pair[0].nseconds();
            assert!(step < 40_000_000, "a gap of {step} ns");
        }
    })
}
