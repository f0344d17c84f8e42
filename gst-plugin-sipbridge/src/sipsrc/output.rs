// SPDX-License-Identifier: MPL-2.0
//! From the media thread to the pad: directly where that cannot block, else through a queue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gst::glib;
use gst::prelude::*;

use crate::handover::{Handover, Item, Outlet, Queue, deliver_unblocked, start_task};
use crate::line::caps;
use crate::media::{AudioOut, Format, OutFrame};
use crate::sipmixer::Place;

/// The way out of a `sipsrc`.
pub(crate) struct Output {
    pad: gst::Pad,
    element: glib::WeakRef<gst::Element>,
    queue: Queue,
    playing: AtomicBool,
    stream: Mutex<Stream>,
}

#[derive(Default)]
struct Stream {
    /// Counts them.
    number: u64,
    direct: bool,
    /// What downstream takes, asked when playing began.
    allowed: Option<gst::Caps>,
    format: Option<Format>,
    ended: bool,
    /// The clock and the base time that playing began with: asked of the element at every tick they would
    /// cost more than the tick.
    clock: Option<(gst::Clock, gst::ClockTime)>,
    /// In the room it leads into at once, if it does.
    place: Option<Place>,
}

impl Stream {
    fn next(&mut self) {
        *self = Stream {
            number: self.number + 1,
            ..Stream::default()
        };
    }
}

impl Output {
    pub(crate) fn new(pad: &gst::Pad, element: &gst::Element) -> Arc<Output> {
        Arc::new(Output {
            pad: pad.clone(),
            element: element.downgrade(),
            queue: Queue::default(),
            playing: AtomicBool::new(false),
            stream: Mutex::default(),
        })
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pad is activated: a new stream.
    pub(crate) fn open(&self) {
        self.stream().next();
        self.queue.open();
    }

    /// Whoever listened has left: for whoever comes, a new stream begins, and who pushes is decided anew. The
    /// pad's thread stays, and waits: it may be the one that is here.
    pub(crate) fn renew(&self) {
        self.playing.store(false, Ordering::Release);
        self.stream().next();
        self.queue.forget();
    }

    /// The pad is deactivated. The task, if there is one, ends by itself.
    pub(crate) fn close(&self) {
        self.playing.store(false, Ordering::Release);
        self.queue.close();
    }

    /// Decides who pushes, and asks downstream what it takes. On the application's thread, since both
    /// look at elements of others.
    pub(crate) fn play(self: &Arc<Self>, handover: Handover) -> Result<(), glib::BoolError> {
        let first = self.stream().allowed.is_none();
        if first {
            let direct = handover.is_direct(&self.pad);
            let allowed = self.pad.peer_query_caps(None);
            {
                let mut stream = self.stream();
                stream.direct = direct;
                stream.allowed = Some(allowed);
            }
            if !direct {
                start_task(self)?;
            }
        }
        let element = self.element.upgrade();
        let clock = element.and_then(|element| element.clock().zip(element.base_time()));
        let place = Place::behind(&self.pad);
        {
            let mut stream = self.stream();
            stream.place = place.filter(|_| stream.direct);
            stream.clock = clock;
        }
        self.playing.store(true, Ordering::Release);
        Ok(())
    }

    /// Data flows in PLAYING only.
    pub(crate) fn pause(&self) {
        self.playing.store(false, Ordering::Release);
        self.queue.forget_frames();
    }

    /// Chooses a format for this call and begins the stream; `None` if downstream takes none of ours,
    /// or playing has not begun.
    pub(crate) fn begin(self: &Arc<Self>, native_rate_hz: u32, codec: sip_ua::sdp::Codec) -> Begun {
        let (format, is_new) = {
            let mut stream = self.stream();
            let Some(allowed) = &stream.allowed else {
                return Begun::NotYet;
            };
            match stream.format {
                Some(format) => (format, false),
                None => match caps::choose(allowed, native_rate_hz, codec) {
                    Some(format) => {
                        stream.format = Some(format);
                        (format, true)
                    }
                    None => return Begun::NoFormat(allowed.clone()),
                },
            }
        };
        if is_new {
            self.prelude(format);
        }
        Begun::Format(format)
    }

    fn prelude(self: &Arc<Self>, format: Format) {
        let id = match self.element.upgrade() {
            Some(element) => self
                .pad
                .create_stream_id(&element, Some("audio"))
                .to_string(),
            None => "audio".to_owned(),
        };
        let group = gst::GroupId::next();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        self.send(
            gst::event::StreamStart::builder(&id)
                .group_id(group)
                .build(),
        );
        self.send(gst::event::Caps::new(&caps::caps_of(format)));
        self.send(gst::event::Segment::new(&segment));
    }

    /// Events for whoever is downstream, between the audio before and after; none before the stream
    /// begins.
    pub(crate) fn tell(self: &Arc<Self>, events: impl Iterator<Item = gst::Event>) {
        let flows = {
            let stream = self.stream();
            stream.format.is_some() && !stream.ended
        };
        if flows && self.playing.load(Ordering::Acquire) {
            events.for_each(|event| self.send(event));
        }
    }

    /// The end of the stream, once.
    pub(crate) fn end(self: &Arc<Self>) {
        let (first, begun) = {
            let mut stream = self.stream();
            (
                !std::mem::replace(&mut stream.ended, true),
                stream.format.is_some(),
            )
        };
        if !first {
            return;
        }
        if !begun {
            self.prelude(Format::Raw { rate_hz: 8_000 });
        }
        self.send(gst::event::Eos::new());
    }

    fn send(self: &Arc<Self>, event: gst::Event) {
        self.hand_over(Item::Event(event));
    }

    fn hand_over(self: &Arc<Self>, item: Item) {
        let (direct, number) = {
            let stream = self.stream();
            (stream.direct, stream.number)
        };
        if !direct {
            self.queue.push(item);
        } else if !deliver_unblocked(self, item) {
            let mut stream = self.stream();
            if stream.number == number {
                // Who is pushed to by a thread of its own has no use for ticks before a room's.
                (stream.direct, stream.place) = (false, None);
            }
        }
    }

    fn push(&self, buffer: gst::Buffer) {
        let number = self.stream().number;
        let pushed = self.pad.push(buffer);
        if self.stream().number != number {
            // Whoever listens now has another stream, and is to hear no fault of this one.
            return;
        }
        match pushed {
            // Not linked (yet), or going down: the call goes on, its sound goes nowhere.
            Ok(_) | Err(gst::FlowError::NotLinked | gst::FlowError::Flushing) => {}
            // Downstream has enough.
            Err(gst::FlowError::Eos) => self.stream().ended = true,
            Err(flow) => {
                let first = !std::mem::replace(&mut self.stream().ended, true);
                if let Some(element) = self.element.upgrade().filter(|_| first) {
                    gst::element_error!(
                        element,
                        gst::StreamError::Failed,
                        ("Internal data flow error"),
                        ["what the far end says cannot be passed on: {flow:?}"]
                    );
                    self.deliver(Item::Event(gst::event::Eos::new()));
                }
            }
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
        match item {
            Item::Event(event) => {
                self.pad.push_event(event);
            }
            Item::Buffer(buffer) => self.push(buffer),
        }
    }
}

/// What came of beginning a stream.
pub(crate) enum Begun {
    Format(Format),
    NotYet,
    NoFormat(gst::Caps),
}

/// The end that a call's media pushes into, for the stream that there was when it was made.
pub(crate) struct Tap {
    output: Arc<Output>,
    number: u64,
}

impl Tap {
    pub(crate) fn new(output: &Arc<Output>) -> Tap {
        Tap {
            output: output.clone(),
            number: output.stream().number,
        }
    }
}

impl AudioOut for Tap {
    fn running_time(&self) -> Option<gst::ClockTime> {
        if !self.output.playing.load(Ordering::Acquire) {
            return None;
        }
        let stream = self.output.stream();
        let (clock, base_time) = stream.clock.as_ref()?;
        clock.time().checked_sub(*base_time)
    }

    fn hears_silence(&self) -> bool {
        let stream = self.output.stream();
        stream.place.as_ref().is_none_or(Place::hears_silence)
    }

    fn wants_ticks_at(&self) -> Option<Instant> {
        self.output.stream().place.as_ref()?.wants_ticks_at()
    }

    fn frame(&mut self, frame: OutFrame) {
        if !self.output.playing.load(Ordering::Acquire) {
            return;
        }
        let is_over = {
            let stream = self.output.stream();
            stream.ended || stream.number != self.number
        };
        if is_over {
            return;
        }
        self.output.hand_over(match frame {
            OutFrame::Audio(buffer) => Item::Buffer(buffer),
            OutFrame::Gap { pts, duration, .. } => {
                Item::Event(gst::event::Gap::builder(pts).duration(duration).build())
            }
        });
    }
}
