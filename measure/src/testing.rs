// SPDX-License-Identifier: MPL-2.0
//! Speech and what networks do to it, for the unit tests of this crate.

use super::wave::Wave;
use gst::prelude::*;

pub(super) fn phone() -> Wave {
    Wave::from_wav(crate::PHONE_SPEECH).unwrap()
}

pub(super) fn room() -> Wave {
    Wave::from_wav(crate::ROOM_SPEECH).unwrap()
}

/// At 8 kHz, companded with G.711's A-law (its continuous formula, quantised to 8 bits).
pub(super) fn through_g711(wave: &Wave) -> Wave {
    let mut wave = wave.resampled(8_000);
    for sample in &mut wave.samples {
        *sample = a_law(f32::from(*sample) / 32_768.0);
    }
    wave
}

fn a_law(x: f32) -> i16 {
    const A: f32 = 87.6;
    let one_and_ln = 1.0 + A.ln();
    let m = x.abs();
    let compressed = if m < 1.0 / A {
        A * m / one_and_ln
    } else {
        (1.0 + (A * m).ln()) / one_and_ln
    };
    let quantised = (compressed * 127.0).round() / 127.0;
    let expanded = if quantised < 1.0 / one_and_ln {
        quantised * one_and_ln / A
    } else {
        (quantised * one_and_ln - 1.0).exp() / A
    };
    (expanded.copysign(x) * 32_767.0) as i16
}

/// Encoded and decoded frame by frame with Opus, mono, as a bridge does it.
pub(super) fn through_opus(wave: &Wave, rate_hz: u32) -> Wave {
    gst::init().unwrap();
    let wave = wave.resampled(rate_hz);
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time ! opusenc audio-type=voice bitrate=24000 ! opusdec ! audioconvert \
         ! audio/x-raw,format=S16LE,channels=1 ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let input = pipeline
        .by_name("in")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    let output = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    input.set_caps(Some(
        &gst_audio::AudioCapsBuilder::new_interleaved()
            .format(gst_audio::AudioFormat::S16le)
            .rate(rate_hz as i32)
            .channels(1)
            .build(),
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    let bytes: Vec<u8> = wave.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    input.push_buffer(buffer).unwrap();
    input.end_of_stream().unwrap();
    let mut heard = Wave {
        rate_hz,
        samples: Vec::new(),
    };
    while let Ok(sample) = output.pull_sample() {
        let caps = sample
            .caps()
            .unwrap()
            .structure(0)
            .unwrap()
            .get::<i32>("rate")
            .unwrap();
        heard.rate_hz = caps as u32;
        let map = sample.buffer().unwrap().map_readable().unwrap();
        heard.samples.extend(
            map.chunks_exact(2)
                .map(|b| i16::from_le_bytes([b[0], b[1]])),
        );
    }
    pipeline.set_state(gst::State::Null).unwrap();
    heard
}
