// SPDX-License-Identifier: MPL-2.0
//! Live-source rules, and states that can be gone through again and again.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Line, count_descriptors, count_threads, eventually};

#[test]
fn a_live_source_has_no_preroll() {
    let line = Line::new("sipbin mode=listener agent::address=127.0.0.1 agent::port=0 ! fakesink");
    let no_preroll = Ok(gst::StateChangeSuccess::NoPreroll);
    assert_eq!(line.pipeline.set_state(gst::State::Paused), no_preroll);
    line.play();
    assert_eq!(line.pipeline.set_state(gst::State::Paused), no_preroll);
}

#[test]
fn latency_is_one_packet_and_live() {
    let line =
        Line::new("sipsrc name=s mode=listener agent::address=127.0.0.1 agent::port=0 ! fakesink");
    line.play();
    let mut query = gst::query::Latency::new();
    assert!(
        line.element("s")
            .static_pad("src")
            .unwrap()
            .query(&mut query)
    );
    assert_eq!(
        query.result(),
        (true, gst::ClockTime::from_mseconds(20), None)
    );
}

#[test]
fn fifty_calls_of_one_pair_of_pipelines() {
    let called = Line::new(
        "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! s. s. ! fakesink sync=false",
    );
    let calling = Line::new("sipbin name=s codecs=<pcma> s. ! fakesink sync=false");
    let mut before = None;
    for round in 0..50 {
        called.play();
        calling.element("s").set_property("uri", called.uri());
        calling.play();
        let sip = calling.element("s");
        eventually("media came in", || {
            let stats = sip.property::<gst::Structure>("stats");
            stats
                .get::<u64>("packets-received")
                .is_ok_and(|packets| packets > 1)
        });
        for line in [&calling, &called] {
            line.no_errors();
            line.pipeline.set_state(gst::State::Null).unwrap();
        }
        if round == 1 {
            before = Some((count_descriptors(), count_threads()));
        }
    }
    let (descriptors, threads) = before.unwrap();
    eventually("descriptors and threads are back", || {
        count_descriptors() <= descriptors && count_threads() <= threads
    });
}

#[test]
fn a_call_that_still_rings_is_given_up_at_once() {
    let (called, uri) = Line::answering(
        "sipbin name=s mode=listener agent::address=127.0.0.1 agent::port=0 s. ! fakesink",
    );
    let calling = Line::new(&format!("sipbin uri={uri} ! fakesink"));
    calling.play();
    calling.wait_state("ringing");
    let asked = std::time::Instant::now();
    calling.pipeline.set_state(gst::State::Ready).unwrap();
    assert!(asked.elapsed() < std::time::Duration::from_millis(100));
    let ended = called.wait_state("ended");
    assert_eq!(ended.get::<&str>("by").unwrap(), "remote");
}

#[test]
fn pause_stops_the_data_and_keeps_the_call() {
    let (called, uri) = Line::answering(
        "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! s. s. ! fakesink sync=false",
    );
    let calling = Line::new(&format!(
        "sipbin name=s uri={uri} s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false"
    ));
    let ear = kit::Ear::on(&calling, "ear");
    calling.play();
    eventually("audio", || ear.samples().len() > 4_000);
    calling.pipeline.set_state(gst::State::Paused).unwrap();
    let stats = || calling.element("s").property::<gst::Structure>("stats");
    let received = stats().get::<u64>("packets-received").unwrap();
    let heard = ear.samples().len();
    eventually("packets go on", || {
        stats().get::<u64>("packets-received").unwrap() > received + 20
    });
    assert!(ear.samples().len() <= heard + 2 * 960);
    calling.play();
    eventually("audio goes on", || ear.samples().len() > heard + 8_000);
    calling.no_errors();
    called.no_errors();
}
