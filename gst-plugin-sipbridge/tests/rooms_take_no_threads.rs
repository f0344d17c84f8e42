// SPDX-License-Identifier: MPL-2.0
//! Participants that come from and go to media threads add no thread, and a room that ends leaves
//! nothing. One test, for it counts what the whole process has.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Line, count_descriptors, count_threads, eventually};

fn ticks(line: &Line) -> u64 {
    let stats = line.element("m").property::<gst::Structure>("stats");
    stats.get("ticks").unwrap()
}

#[test]
fn however_many_take_part_and_however_often() {
    let room = |participants: usize| {
        let mut launch = "sipmixer name=m context=rooms ".to_owned();
        for number in 0..participants {
            // Calls with nobody at the other end yet.
            launch += &format!(
                "sipsrc call=nobody-{number} context=rooms ! m.sink_{number} \
                 m.minus_{number} ! sipsink call=nobody-{number} context=rooms "
            );
        }
        let line = Line::new(&launch);
        line.play();
        eventually("ticks", || ticks(&line) > 2);
        line
    };
    drop(room(1));
    let small = room(1);
    let (threads, descriptors) = (count_threads(), count_descriptors());
    drop(small);
    let large = room(20);
    assert!(
        count_threads() <= threads,
        "{} threads, {threads} for one",
        count_threads()
    );
    for _ in 0..50 {
        large.pipeline.set_state(gst::State::Null).unwrap();
        large.play();
        eventually("ticks again", || ticks(&large) > 2);
        large.no_errors();
    }
    eventually("descriptors and threads are back", || {
        count_descriptors() <= descriptors && count_threads() <= threads
    });
}
