// SPDX-License-Identifier: MPL-2.0
//! A source pad: what the far end sends on one media line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::glib;
use gst::prelude::*;

use crate::handover::{
    Handover, Item, Outlet, Queue, answer_as_live, deliver_unblocked, start_task, stop_task,
};

/// The way to a source pad.
pub(super) struct Source {
    pad: gst::Pad,
    queue: Queue,
    direct: AtomicBool,
}

impl Source {
    /// Makes the pad of a line, with the events that come before any data. `caps` are those of what
    /// may come first.
    pub(super) fn new(
        element: &gst::Element,
        template: &gst::PadTemplate,
        line: usize,
        latency: gst::ClockTime,
        caps: &gst::Caps,
    ) -> Result<Arc<Source>, glib::BoolError> {
        let name = format!("src_{line}");
        let source = Arc::new_cyclic(|this: &std::sync::Weak<Source>| {
            let (queried, activated) = (element.downgrade(), this.clone());
            let pad = gst::Pad::builder_from_template(template)
                .name(&name)
                .query_function(move |pad, _, query| {
                    answer_as_live(query, latency)
                        || gst::Pad::query_default(pad, queried.upgrade().as_ref(), query)
                })
                .activatemode_function(move |_, _, _, active| {
                    let Some(source) = activated.upgrade() else {
                        return Ok(());
                    };
                    if active {
                        source.queue.open();
                        return Ok(());
                    }
                    source.queue.close();
                    stop_task(&source).map_err(|error| {
                        gst::loggable_error!(gst::CAT_RUST, "cannot stop the pad's task: {error}")
                    })
                })
                .build();
            Source {
                pad,
                queue: Queue::default(),
                direct: AtomicBool::new(false),
            }
        });
        source.pad.set_active(true)?;
        // GStreamer makes stream identifiers for elements with one sink pad at most.
        let id = format!("rtcbin-{:016x}/{line}", rand::random::<u64>());
        let start = gst::event::StreamStart::builder(&id)
            .group_id(gst::GroupId::next())
            .build();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        for event in [
            start,
            gst::event::Caps::new(caps),
            gst::event::Segment::new(&segment),
        ] {
            let stored = source.pad.store_sticky_event(&event);
            stored.map_err(|flow| glib::bool_error!("an event was refused: {flow:?}"))?;
        }
        Ok(source)
    }

    /// The application has linked the pad, or not: decides who pushes.
    pub(super) fn begin(self: &Arc<Self>, handover: Handover) -> Result<(), glib::BoolError> {
        let direct = handover.is_direct(&self.pad);
        self.direct.store(direct, Ordering::Release);
        if direct { Ok(()) } else { start_task(self) }
    }

    /// From the media thread.
    pub(super) fn hand_over(self: &Arc<Self>, item: Item) {
        if !self.direct.load(Ordering::Acquire) {
            self.queue.push(item);
        } else if !deliver_unblocked(self, item) {
            self.direct.store(false, Ordering::Release);
        }
    }
}

impl Outlet for Source {
    fn pad(&self) -> &gst::Pad {
        &self.pad
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn deliver(&self, item: Item) {
        match item {
            Item::Event(event) => {
                self.pad.push_event(event);
            }
            // Whatever downstream says of it, the connection goes on.
            Item::Buffer(buffer) => {
                if let Err(flow) = self.pad.push(buffer) {
                    tracing::trace!(pad = %self.pad.name(), ?flow, "a packet was not wanted");
                }
            }
        }
    }
}
