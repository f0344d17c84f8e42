// SPDX-License-Identifier: MPL-2.0
//! The way out of a `minus` pad: which format its peer takes, and who pushes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;

use crate::handover::{Handover, Item, Outlet, Queue, deliver_unblocked, real_peer, start_task};
use crate::line::caps;
use crate::media::Format;
use crate::mixer::{Listening, Rate};

#[derive(Default)]
struct Stream {
    /// Decided when the first audio goes out.
    direct: Option<bool>,
    begun: bool,
    format: Option<Format>,
    discont: bool,
    ended: bool,
}

/// The way out of one pad.
pub(super) struct Output {
    pad: gst::Pad,
    element: glib::WeakRef<gst::Element>,
    queue: Queue,
    closed: AtomicBool,
    stream: Mutex<Stream>,
}

impl Output {
    pub(super) fn new(pad: &gst::Pad, element: &gst::Element) -> Arc<Output> {
        Arc::new(Output {
            pad: pad.clone(),
            element: element.downgrade(),
            queue: Queue::default(),
            closed: AtomicBool::new(true),
            stream: Mutex::default(),
        })
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pad is activated: a new stream.
    pub(super) fn open(&self) {
        *self.stream() = Stream::default();
        self.queue.open();
        self.closed.store(false, Ordering::Release);
    }

    /// The pad is deactivated. The task, if there is one, ends by itself.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.queue.close();
    }

    /// Data flows in PLAYING only.
    pub(super) fn pause(&self) {
        self.queue.forget_frames();
        self.stream().discont = true;
    }

    /// How the peer listens: `None` while there is none, or while it takes nothing of ours. Asks
    /// elements of others, so never on a media thread if it can be helped.
    pub(super) fn negotiate(&self, rate_max: Rate) -> Option<(Format, Listening)> {
        // Not through ghost pads: they lose the order in which the peer prefers.
        let allowed = real_peer(&self.pad)?.query_caps(Some(&super::MINUS_CAPS));
        let Some(format) = caps::choose(&allowed, rate_max.hz(), sip_ua::sdp::Codec::Opus) else {
            if let Some(element) = self.element.upgrade() {
                gst::element_warning!(
                    element,
                    gst::StreamError::Format,
                    (
                        "What follows {} takes nothing that a mixer gives",
                        self.pad.name()
                    ),
                    ["allowed caps: {allowed}"]
                );
            }
            return None;
        };
        let listening = match format {
            Format::Raw { rate_hz } => Listening::Samples(Rate::from_hz(rate_hz)?),
            Format::Encoded(codec) => Listening::Packets(codec),
            Format::Rtp { .. } => return None,
        };
        Some((format, listening))
    }

    /// Chooses who pushes. On the application's thread where it can be. A queue that runs stays.
    pub(super) fn prepare(self: &Arc<Self>, handover: Handover) {
        // A ghost pad of a bin around us may be there already, and lead nowhere yet.
        if real_peer(&self.pad).is_none() {
            return;
        }
        let direct = handover.is_direct(&self.pad);
        {
            let mut stream = self.stream();
            if stream.direct == Some(false) {
                return;
            }
            stream.direct = Some(direct);
        }
        if !direct && let Err(error) = start_task(self) {
            gst::error!(
                super::CAT,
                obj = self.pad,
                "cannot start the pad's task: {error}"
            );
        }
    }

    /// From the tick: what follows comes in this format.
    pub(super) fn begin(self: &Arc<Self>, format: Format) {
        let (first, changed) = {
            let mut stream = self.stream();
            let changed = stream.format.replace(format) != Some(format);
            stream.discont |= changed;
            (!std::mem::replace(&mut stream.begun, true), changed)
        };
        if self.is_over() {
            return;
        }
        if first {
            // GStreamer makes no stream id for an element of many inputs.
            let id = format!("{:016x}/{}", rand::random::<u64>(), self.pad.name());
            let start = gst::event::StreamStart::builder(&id).group_id(gst::GroupId::next());
            self.hand_over(Item::Event(start.build()));
        }
        if changed {
            self.hand_over(Item::Event(gst::event::Caps::new(&caps::caps_of(format))));
        }
        if first {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.hand_over(Item::Event(gst::event::Segment::new(&segment)));
        }
    }

    fn is_over(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.stream().ended
    }

    /// From the tick: 20 ms, in the format that was begun. The buffer may be others' too.
    pub(super) fn give(self: &Arc<Self>, mut buffer: gst::Buffer) {
        if self.is_over() {
            return;
        }
        if std::mem::take(&mut self.stream().discont) {
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        self.hand_over(Item::Buffer(buffer));
    }

    /// From the tick: 20 ms in which nothing is sent.
    pub(super) fn give_nothing(self: &Arc<Self>, pts: gst::ClockTime) {
        if !self.is_over() {
            let gap = gst::event::Gap::builder(pts).duration(super::TICK).build();
            self.hand_over(Item::Event(gap));
        }
    }

    /// From the tick: everybody has ended.
    pub(super) fn end(self: &Arc<Self>) {
        if !self.is_over() && self.stream().begun {
            self.hand_over(Item::Event(gst::event::Eos::new()));
            self.stream().ended = true;
        }
    }

    fn hand_over(self: &Arc<Self>, item: Item) {
        let Some(direct) = self.stream().direct else {
            return;
        };
        if !direct {
            self.queue.push(item);
        } else if !deliver_unblocked(self, item) {
            self.stream().direct = Some(false);
        }
    }
}

impl Outlet for Output {
    fn pad(&self) -> &gst::Pad {
        &self.pad
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn deliver(&self, item: Item) {
        let buffer = match item {
            Item::Event(event) => {
                self.pad.push_event(event);
                return;
            }
            Item::Buffer(buffer) => buffer,
        };
        match self.pad.push(buffer) {
            // Not linked (any more), or going down: the room goes on.
            Ok(_) | Err(gst::FlowError::NotLinked | gst::FlowError::Flushing) => {}
            // Downstream has enough.
            Err(gst::FlowError::Eos) => self.stream().ended = true,
            // One participant's error is not the room's.
            Err(flow) => {
                let first = !std::mem::replace(&mut self.stream().ended, true);
                if let Some(element) = self.element.upgrade().filter(|_| first) {
                    gst::element_warning!(
                        element,
                        gst::StreamError::Failed,
                        ("{} hears no more of the room", self.pad.name()),
                        ["what follows refuses data: {flow:?}"]
                    );
                }
            }
        }
    }
}
