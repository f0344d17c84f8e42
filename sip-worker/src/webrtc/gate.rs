// SPDX-License-Identifier: MPL-2.0
//! Shut until the far end has proved who it is: drops all media at the pads of a webrtcbin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

/// The gate of one webrtcbin. Clones share it.
#[derive(Clone, Default)]
pub struct Gate {
    open: Arc<AtomicBool>,
}

impl Gate {
    /// Guards a pad, sink or src. Events and queries pass, for negotiation needs them; media does not.
    pub fn guard(&self, pad: &gst::Pad) {
        let open = self.open.clone();
        let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        // Kept for good rather than removed once open, so that the gate can be shut again.
        pad.add_probe(media, move |_, _| {
            if open.load(Ordering::Acquire) {
                gst::PadProbeReturn::Ok
            } else {
                // As Drop, which the bindings of 0.25 and GStreamer 1.22 do not agree on.
                gst::PadProbeReturn::Handled
            }
        });
    }

    pub fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    pub fn shut(&self) {
        self.open.store(false, Ordering::Release);
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}
