// SPDX-License-Identifier: MPL-2.0
//! A call moves from one media thread to another while both ends speak, and nobody hears it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Ear, Line, RATE_HZ, eventually, say, threads_named};
use sipbridge_measure::steady::asserted_steadily;
use sipbridge_measure::{PHONE_SPEECH, ROOM_SPEECH, Wave, compare};

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

/// A sipbin `s` with an appsrc `mouth` before it and an appsink `ear` behind it.
fn speaking(settings: &str) -> String {
    format!(
        "appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! \
         sipbin name=s agent::address=127.0.0.1 agent::port=0 {settings} ! audio/x-raw,rate=8000 ! \
         appsink name=ear sync=false"
    )
}

/// Not one frame is made up for a move: what is heard is what was said, word by word.
#[test]
fn and_no_word_is_lost_either_way() {
    asserted_steadily(|| {
        let (answering, uri) =
            Line::answering(&speaking("mode=listener auto-answer=true context=unmoved"));
        let calling = Line::new(&speaking(&format!("uri={uri} context=first")));
        let said = [PHONE_SPEECH, ROOM_SPEECH]
            .map(|wav| Wave::from_wav(wav).unwrap().resampled(RATE_HZ as u32));
        let ears = [&answering, &calling].map(|line| Ear::on(line, "ear"));
        calling.play();
        calling.wait_state("answered");
        answering.wait_state("answered");
        for (line, said) in [&calling, &answering].into_iter().zip(&said) {
            say(line, "mouth", &said.samples, false);
        }
        let concealed = || [&calling, &answering].map(|line| counter(line, "frames-concealed"));
        let heard = |seconds: f64| {
            let samples = (seconds * RATE_HZ as f64) as usize;
            eventually("audio", || {
                ears.iter().all(|ear| ear.samples().len() >= samples)
            });
        };
        heard(1.0);
        let before = concealed();
        for number in 1..=12 {
            let context = ["first", "second"][number % 2];
            calling.element("s").set_property("context", context);
            heard(1.0 + 0.5 * number as f64);
            assert_eq!(concealed(), before, "move {number}");
        }
        // Both speak still. Where what is said breaks off, silence follows a little later than the next word
        // would, and that is made up for.
        let longest = said.iter().map(Wave::duration).max().unwrap();
        heard(longest.as_secs_f64() + 0.5);
        for line in [&calling, &answering] {
            assert_eq!(lost(line), 0);
            assert_eq!(counter(line, "packets-late"), 0);
            line.no_errors();
        }
        for (said, ear) in said.iter().zip(&ears) {
            let heard = Wave {
                rate_hz: RATE_HZ as u32,
                samples: ear.samples(),
            };
            let matched = compare(said, &heard);
            assert!(matched.is_good(), "{matched:?}");
            assert!(matched.correlation > 0.95, "{matched:?}");
            assert!(matched.level_difference_db().abs() < 0.5, "{matched:?}");
            // Nothing was left out, and nothing put in.
            let (least, most) = matched.delay_range_ms.unwrap();
            assert!(most - least < 15.0, "{matched:?}");
        }
    })
}
