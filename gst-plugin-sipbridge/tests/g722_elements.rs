// SPDX-License-Identifier: MPL-2.0
//! `g722enc` and `g722dec`: a tone through both, through the stock RTP elements, and over a gap.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::atomic::{AtomicU32, Ordering};

use gst::prelude::*;

const SOURCE: &str =
    "audiotestsrc num-buffers=50 samplesperbuffer=320 ! audio/x-raw,rate=16000,channels=1";

/// The samples and the caps at the end of a launch line.
fn run(launch: &str, prepare: impl Fn(&gst::Pipeline)) -> (Vec<i16>, gst::Caps) {
    gst::init().unwrap();
    gstsipbridge::register_once().unwrap();
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
    let error = pipeline
        .bus()
        .unwrap()
        .pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(error.is_none(), "{launch}: {error:?}");
    (pcm, caps)
}

fn assert_tone(pcm: &[i16]) {
    let tail = &pcm[pcm.len() / 4..pcm.len() * 3 / 4];
    let ups = tail.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    let found = ups as f64 * 16_000.0 / tail.len() as f64;
    assert!((found - 440.0).abs() < 12.0, "{found}");
}

#[test]
fn a_tone_goes_through_and_keeps_its_length() {
    let (pcm, caps) = run(&format!("{SOURCE} ! g722enc ! g722dec"), |_| ());
    assert_eq!(pcm.len(), 16_000);
    assert_eq!(caps.structure(0).unwrap().get::<i32>("rate"), Ok(16_000));
    assert_tone(&pcm);
}

#[test]
fn the_stock_rtp_elements_carry_it() {
    let launch = format!("{SOURCE} ! g722enc ! rtpg722pay ! rtpg722depay ! g722dec");
    let (pcm, _) = run(&launch, |_| ());
    assert!(pcm.len() >= 15_000, "{}", pcm.len());
    assert_tone(&pcm);
}

#[test]
fn gaps_are_concealed() {
    let (pcm, _) = run(
        &format!("{SOURCE} ! g722enc name=enc ! g722dec"),
        |pipeline| {
            // Every fifth packet is lost, and said to be.
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
        },
    );
    assert!(pcm.len() >= 15_600, "{}", pcm.len());
    let tail = &pcm[2_000..15_000];
    let gap = tail.split(|s| s.abs() > 1_000).map(<[i16]>::len).max();
    assert!(gap < Some(200), "{gap:?}");
}

#[test]
fn both_say_what_they_are() {
    gst::init().unwrap();
    gstsipbridge::register_once().unwrap();
    for (name, klass) in [
        ("g722enc", "Codec/Encoder/Audio"),
        ("g722dec", "Codec/Decoder/Audio"),
    ] {
        let factory = gst::ElementFactory::find(name).unwrap();
        assert_eq!(factory.metadata("klass"), Some(klass));
    }
}
