// SPDX-License-Identifier: MPL-2.0
//! The phone's pipeline: a mouth, a `sipbin` and an ear.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::RATE_HZ;
use super::level::Meter;
use super::lines::monotonic_us;
use super::recorder::{Recorder, Recording};

/// A running pipeline around one call.
pub(super) struct PhoneGraph {
    pipeline: gst::Pipeline,
    mouth: AppSrc,
    heard: Arc<Meter>,
    recorder: Option<Arc<Mutex<Recorder>>>,
}

impl PhoneGraph {
    /// For the call of this name.
    pub(super) fn start(call: &str, record: bool) -> anyhow::Result<PhoneGraph> {
        let caps = format!("audio/x-raw,format=S16LE,layout=interleaved,channels=1,rate={RATE_HZ}");
        // The queue behind the call never waits, so the call's own thread may push into it.
        let text = format!(
            "appsrc name=mouth is-live=true do-timestamp=true format=time caps={caps} \
             ! queue ! audioconvert ! audioresample ! sipbin name=phone \
             phone. ! queue leaky=downstream ! audioconvert ! audioresample ! {caps} \
             ! appsink name=ear sync=false"
        );
        let pipeline = gst::parse::launch(&text)?
            .downcast::<gst::Pipeline>()
            .ok()
            .context("no pipeline")?;
        let named = |name: &str| {
            pipeline
                .by_name(name)
                .with_context(|| format!("the pipeline has no {name}"))
        };
        named("phone")?.set_property("call", call);
        let mouth = named("mouth")?
            .downcast::<AppSrc>()
            .ok()
            .context("the mouth is no appsrc")?;
        let ear = named("ear")?
            .downcast::<AppSink>()
            .ok()
            .context("the ear is no appsink")?;
        let heard = Arc::new(Meter::default());
        let recorder = record.then(|| Arc::new(Mutex::new(Recorder::new(RATE_HZ))));
        listen(&ear, heard.clone(), recorder.clone());
        pipeline
            .set_state(gst::State::Playing)
            .context("the phone's pipeline does not start")?;
        Ok(PhoneGraph {
            pipeline,
            mouth,
            heard,
            recorder,
        })
    }

    /// Takes what the phone says.
    pub(super) fn mouth(&self) -> AppSrc {
        self.mouth.clone()
    }

    /// How loud what it hears is.
    pub(super) fn heard(&self) -> &Meter {
        &self.heard
    }

    /// Stops; returns what was recorded.
    pub(super) fn stop(mut self) -> Option<Recording> {
        // The process ends after this; a pipeline that does not stop changes nothing.
        let _ = self.pipeline.set_state(gst::State::Null);
        let recorder = self.recorder.take()?;
        let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *recorder, Recorder::new(RATE_HZ)).finish()
    }
}

impl Drop for PhoneGraph {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn listen(ear: &AppSink, heard: Arc<Meter>, recorder: Option<Arc<Mutex<Recorder>>>) {
    let callbacks = AppSinkCallbacks::builder().new_sample(move |ear| {
        let sample = ear.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let arrived_us = monotonic_us();
        let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
        let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        let frame: Vec<i16> = map
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        heard.take(&frame);
        if let (Some(recorder), Some(pts)) = (&recorder, buffer.pts()) {
            let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
            recorder.frame(Duration::from(pts), arrived_us, &frame);
        }
        Ok(gst::FlowSuccess::Ok)
    });
    ear.set_callbacks(callbacks.build());
}
