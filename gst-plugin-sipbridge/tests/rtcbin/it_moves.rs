// SPDX-License-Identifier: MPL-2.0
//! From one media thread to another, while both speak.
use gst::prelude::*;
use gstsipbridge::context::{Context, MAX_WAIT};
use gstsipbridge::rtcbin::RtcBin;

use crate::app::{App, RTCBIN, introduce, negotiate};
use crate::kit::{RATE_HZ, eventually};

#[test]
fn and_loses_nothing() {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(RTCBIN));
    introduce(&a, &b);
    let (of_a, of_b) = (a.say(0, 11), b.say(0, 22));
    a.play();
    b.play();
    negotiate(&a, &b);
    let contexts = ["rtc-here", "rtc-there"].map(|name| Context::acquire(name, MAX_WAIT).unwrap());
    let moving = a.rtc.clone().downcast::<RtcBin>().unwrap();
    for step in 1..=8 {
        let ends = [&a, &b];
        eventually("audio both ways", || {
            ends.iter()
                .all(|end| end.heard(0).len() >= step * RATE_HZ / 2)
        });
        let there = &contexts[step % 2];
        moving.move_to(there);
        assert_eq!(moving.context().unwrap().name(), there.name());
    }
    b.wait_heard(&of_a);
    a.wait_heard(&of_b);
    for end in [&a, &b] {
        let stats = end.stats();
        let inbound = stats
            .iter()
            .find(|(name, _)| name.starts_with("rtp-inbound"));
        let inbound: gst::Structure = inbound.unwrap().1.get().unwrap();
        assert_eq!(inbound.get::<i64>("packets-lost"), Ok(0), "{inbound}");
        end.line.no_errors();
    }
}
