// SPDX-License-Identifier: MPL-2.0
//! Reading a file that is to be played: whatever GStreamer decodes, as samples.

use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use crate::codec::chain::append_samples;
use crate::media::bridge::Recording;

/// The rate of all recordings: resampled from there to what a side speaks.
const RATE_HZ: u32 = 48_000;

/// What is longer is for a pipeline, not for memory.
const MINUTES_MAX: usize = 10;
const SAMPLES_MAX: usize = RATE_HZ as usize * 60 * MINUTES_MAX;

/// How long a file that cannot be read through is tried.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// Why a file cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    #[error("{0} cannot be played: {1}")]
    Unreadable(String, String),
    #[error("{0} has no audio")]
    Silent(String),
    #[error("{0} is longer than {MINUTES_MAX} minutes")]
    Long(String),
}

/// All of it, mixed to mono.
pub(super) fn read(path: &str) -> Result<Recording, FileError> {
    let unreadable =
        |why: &dyn std::fmt::Display| FileError::Unreadable(path.into(), why.to_string());
    let described = format!(
        "filesrc name=file ! decodebin ! audioconvert ! audioresample ! \
         audio/x-raw,format=S16LE,channels=1,rate={RATE_HZ} ! \
         fakesink name=samples sync=false signal-handoffs=true"
    );
    let launched = gst::parse::launch(&described).map_err(|error| unreadable(&error))?;
    let pipeline: gst::Pipeline = launched
        .downcast()
        .map_err(|_| unreadable(&"there is no pipeline"))?;
    let (Some(file), Some(sink)) = (pipeline.by_name("file"), pipeline.by_name("samples")) else {
        return Err(unreadable(&"there is no pipeline"));
    };
    file.set_property("location", path);
    let pcm = Arc::new(Mutex::new(Vec::new()));
    let taken = pcm.clone();
    sink.connect("handoff", false, move |values| {
        let buffer: gst::Buffer = values.get(1)?.get().ok()?;
        let map = buffer.map_readable().ok()?;
        let mut pcm = taken.lock().unwrap_or_else(PoisonError::into_inner);
        // One sample more shows that it is too long.
        if pcm.len() <= SAMPLES_MAX {
            append_samples(&map, &mut pcm);
        }
        None
    });
    let outcome = run(&pipeline);
    // It may not have come so far as to need it.
    let _ = pipeline.set_state(gst::State::Null);
    outcome.map_err(|why| unreadable(&why))?;
    let pcm = std::mem::take(&mut *pcm.lock().unwrap_or_else(PoisonError::into_inner));
    match pcm.len() {
        0 => Err(FileError::Silent(path.to_owned())),
        length if length > SAMPLES_MAX => Err(FileError::Long(path.to_owned())),
        _ => Ok(Recording::new(pcm, RATE_HZ)),
    }
}

/// Runs it to its end.
fn run(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("there is no bus")?;
    // Why it does not start is told on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(PATIENCE, &wanted);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        _ => Err(format!("it takes longer than {PATIENCE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gstreamer_decodes_is_read_and_what_is_none_is_named() {
        gst::init().unwrap();
        let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/../measure/speech/phone.wav");
        let seconds = read(speech).unwrap().duration().as_secs_f64();
        assert!(seconds > 1.0, "{seconds}");
        for path in ["/nowhere/at/all.wav", file!(), env!("CARGO_MANIFEST_DIR")] {
            let error = read(path).unwrap_err();
            assert!(error.to_string().starts_with(path), "{error}");
        }
    }
}
