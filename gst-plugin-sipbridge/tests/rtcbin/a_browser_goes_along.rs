// SPDX-License-Identifier: MPL-2.0
//! What changes while Chromium and rtcbin talk.

use gst::prelude::*;

use crate::app::{App, RTCBIN};
use crate::browser::{OURS_HZ, Role, Talk, tone};
use crate::kit::RATE_HZ;

/// Another tone than before: whoever hears it hears what is said now.
const LATER_HZ: u32 = 1_500;

fn talking(role: Role) -> Talk {
    let mut talk = Talk::open(App::with(RTCBIN, vec![tone(0, OURS_HZ)]), role);
    talk.until("both hear each other", |talk| {
        talk.hears(0, OURS_HZ) && talk.is_heard()
    });
    talk
}

/// Both hear what the other says from now on, by new credentials.
fn talks_on_by_new_ones(talk: &mut Talk, before: &str) {
    let tone = talk.app.line.element("tone0");
    tone.set_property("freq", f64::from(LATER_HZ));
    let heard = talk.app.heard(0).len();
    talk.until("both hear each other by new credentials", |talk| {
        talk.is_anew()
            && talk.hears(0, LATER_HZ)
            && talk.app.heard(0).len() > heard + RATE_HZ
            && talk.is_heard()
    });
    assert_ne!(talk.own(), before);
    talk.went_well();
}

#[test]
fn when_we_restart_ice() {
    let mut talk = talking(Role::Answers);
    let before = talk.own();
    talk.restart();
    talks_on_by_new_ones(&mut talk, &before);
}

#[test]
fn when_it_restarts_ice() {
    let mut talk = talking(Role::Offers);
    let before = talk.own();
    talk.turn("restarts");
    talks_on_by_new_ones(&mut talk, &before);
}

#[test]
fn when_a_second_track_joins() {
    let mut talk = talking(Role::Answers);
    talk.app.add(&tone(1, LATER_HZ));
    talk.app.wait_described("sink_1");
    talk.turn("answers");
    talk.until("the page hears both tracks", |talk| {
        talk.hears(0, OURS_HZ) && talk.hears(1, LATER_HZ)
    });
    assert!(talk.is_heard());
    talk.went_well();
}
