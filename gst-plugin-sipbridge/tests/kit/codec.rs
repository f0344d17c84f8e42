// SPDX-License-Identifier: MPL-2.0
//! Codec elements in a row: what comes out at the end, and what is lost on the way.

use std::sync::atomic::{AtomicU32, Ordering};

use gst::prelude::*;

use super::init;

/// The samples and the caps at the end of a launch line.
pub fn run(launch: &str, prepare: impl Fn(&gst::Pipeline)) -> (Vec<i16>, gst::Caps) {
    init();
    let pipeline = gst::parse::launch(&format!("{launch} ! appsink name=out sync=false")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    prepare(&pipeline);
    let out = pipeline.by_name("out").unwrap();
    let out = out.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut pcm = Vec::new();
    let mut caps = gst::Caps::new_empty();
    while let Ok(sample) = out.pull_sample() {
        caps = sample.caps_owned().unwrap();
        let map = sample.buffer().unwrap().map_readable().unwrap();
        let (samples, _) = map.as_chunks::<2>();
        pcm.extend(samples.iter().map(|pair| i16::from_le_bytes(*pair)));
    }
    let bus = pipeline.bus().unwrap();
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(error.is_none(), "{launch}: {error:?}");
    (pcm, caps)
}

/// That what audiotestsrc said is heard: its tone of 440 Hz.
pub fn assert_tone(pcm: &[i16], rate_hz: u32) {
    let tail = &pcm[pcm.len() / 4..pcm.len() * 3 / 4];
    let ups = tail.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    let found = ups as f64 * f64::from(rate_hz) / tail.len() as f64;
    assert!((found - 440.0).abs() < 12.0, "{found}");
}

/// Every fifth packet of the element `enc` is lost, and said to be.
pub fn lose_every_fifth(pipeline: &gst::Pipeline) {
    let pad = pipeline.by_name("enc").unwrap().static_pad("src").unwrap();
    let count = AtomicU32::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else {
            return gst::PadProbeReturn::Ok;
        };
        if number % 5 != 4 {
            return gst::PadProbeReturn::Ok;
        }
        let gap = gst::event::Gap::builder(buffer.pts().unwrap())
            .duration(buffer.duration().unwrap())
            .build();
        info.data = None;
        pad.peer().unwrap().send_event(gap);
        gst::PadProbeReturn::Handled
    });
}

/// The most samples in a row that are next to nothing.
pub fn longest_quiet(pcm: &[i16]) -> usize {
    let quiet = pcm.split(|sample| sample.abs() > 1_000).map(<[i16]>::len);
    quiet.max().unwrap_or_default()
}
