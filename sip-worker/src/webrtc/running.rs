// SPDX-License-Identifier: MPL-2.0
//! A pipeline that stops when nobody wants it any more.

use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::PeerError;

/// Owns a pipeline. Dropping it stops the pipeline, on a thread of its own: a state change waits for
/// streaming threads, which nothing asynchronous may do.
pub(super) struct Running {
    pipeline: gst::Pipeline,
    /// Held through each change of state: whoever waits for the start may be gone before the start
    /// itself is, and it must not come after the stop.
    stopped: Arc<Mutex<bool>>,
}

impl Running {
    /// Builds a pipeline of our own making.
    pub(super) fn parse(description: &str) -> Result<Running, PeerError> {
        let failed = |reason: String| PeerError::Step {
            step: "build its pipeline",
            reason,
        };
        let pipeline = gst::parse::launch(description)
            .map_err(|e| failed(e.to_string()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| failed("it is not a pipeline".to_owned()))?;
        if let Some(bus) = pipeline.bus() {
            let weak = pipeline.downgrade();
            bus.set_sync_handler(move |_, message| {
                match message.view() {
                    gst::MessageView::Error(error) => {
                        tracing::warn!(element = ?error.src().map(|s| s.name()), error = %error.error(), "a participant's pipeline failed");
                    }
                    // webrtcbin grows while it negotiates, and nobody else tells its new parts.
                    gst::MessageView::Latency(_) => {
                        if let Some(pipeline) = weak.upgrade() {
                            pipeline.call_async(|pipeline| {
                                let _ = pipeline.recalculate_latency();
                            });
                        }
                    }
                    _ => {}
                }
                gst::BusSyncReply::Drop
            });
        }
        Ok(Running {
            pipeline,
            stopped: Arc::default(),
        })
    }

    pub(super) fn element(&self, name: &str) -> Result<gst::Element, PeerError> {
        self.pipeline.by_name(name).ok_or_else(|| PeerError::Step {
            step: "build its pipeline",
            reason: format!("it has no element {name:?}"),
        })
    }

    pub(super) async fn play(&self) -> Result<(), PeerError> {
        let pipeline = self.pipeline.clone();
        let stopped = self.stopped.clone();
        let played = tokio::task::spawn_blocking(move || {
            let stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
            if *stopped {
                return Ok(());
            }
            pipeline.set_state(gst::State::Playing).map(drop)
        });
        match played.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(e) => Err(e.to_string()),
        }
        .map_err(|reason| PeerError::Step {
            step: "start its pipeline",
            reason,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let stopped = self.stopped.clone();
        self.pipeline.call_async(move |pipeline| {
            let mut stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
            *stopped = true;
            let _ = pipeline.set_state(gst::State::Null);
        });
    }
}
