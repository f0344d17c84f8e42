// SPDX-License-Identifier: MPL-2.0
//! `sipmixer` in pipelines that run.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "../kit/mod.rs"]
mod kit;

mod everyone_hears_everyone_else;
mod it_behaves_as_a_live_element;
mod keys_stay_with_whom_they_concern;
mod packets_are_shared;
mod participants_come_and_go;
mod phones_meet;
mod rtp_is_heard_as_it_comes;
mod the_room_moves;
mod two_hundred_in_one_room;

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use kit::Line;

/// A participant who says what is pushed and whose ear is an appsink.
fn person(number: u32, rate_hz: u32) -> String {
    format!(
        "appsrc name=mouth{number} format=time is-live=false caps=audio/x-raw,format=S16LE,layout=interleaved,rate={rate_hz},channels=1 \
         ! m.sink_{number} m.minus_{number} ! audio/x-raw,rate={rate_hz} ! appsink name=ear{number} sync=false "
    )
}

/// The buffers that pass a pad.
fn watch(pad: &gst::Pad) -> Arc<Mutex<Vec<gst::Buffer>>> {
    let seen: Arc<Mutex<Vec<gst::Buffer>>> = Arc::default();
    let see = seen.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            see.lock().unwrap().push(buffer.clone());
        }
        gst::PadProbeReturn::Ok
    });
    seen
}

fn stat(line: &Line, name: &str) -> u32 {
    let stats = line.element("m").property::<gst::Structure>("stats");
    stats.get(name).unwrap()
}
