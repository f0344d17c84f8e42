// SPDX-License-Identifier: MPL-2.0
//! A room on a media thread whose clock, and its pipeline's, stand still until they are told.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::SipMixer;
use super::task::{LATE_EVERY, Room, Shared};
use crate::context::{Clock, Context, Cx, MAX_WAIT, ManualClock, Task, TaskHandle};
use crate::ticks::TICK;

const PATIENCE: Duration = Duration::from_secs(10);

/// A pipeline's clock that shows what passed on a manual one.
mod imp {
    use super::*;

    #[derive(Default)]
    pub struct PipelineClock {
        pub(super) shows: OnceLock<(ManualClock, Instant)>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PipelineClock {
        const NAME: &'static str = "GstSipMixerTestClock";
        type Type = super::PipelineClock;
        type ParentType = gst::Clock;
    }

    impl ObjectImpl for PipelineClock {}
    impl GstObjectImpl for PipelineClock {}

    impl ClockImpl for PipelineClock {
        fn internal_time(&self) -> gst::ClockTime {
            let passed = self.shows.get().map(|(clock, since)| clock.now() - *since);
            gst::ClockTime::from_nseconds(passed.unwrap_or_default().as_nanos() as u64)
        }
    }
}

glib::wrapper! {
    pub struct PipelineClock(ObjectSubclass<imp::PipelineClock>) @extends gst::Clock, gst::Object;
}

/// Starts after the room and ticks after each of its ticks, and says so.
struct Witness(Sender<()>);

impl Task for Witness {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.timeout(cx);
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        let _ = self.0.send(());
        cx.set_timer(cx.now() + TICK);
    }
}

/// A room that nobody is in, and the time.
struct Story {
    clock: ManualClock,
    context: Context,
    bus: gst::Bus,
    ticked: Receiver<()>,
    _element: SipMixer,
    _tasks: [TaskHandle; 2],
}

impl Story {
    fn new(name: &str) -> Story {
        gst::init().unwrap();
        let clock = ManualClock::new();
        let context = Context::with_clock(name, MAX_WAIT, Arc::new(clock.clone())).unwrap();
        let pipeline_clock: PipelineClock = glib::Object::new();
        let shows = (clock.clone(), clock.now());
        assert!(pipeline_clock.imp().shows.set(shows).is_ok());
        let element: SipMixer = glib::Object::new();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        element.set_clock(Some(&pipeline_clock)).unwrap();
        element.set_base_time(gst::ClockTime::ZERO);
        let shared = Arc::new(Shared::default());
        shared.playing.store(true, Ordering::Release);
        let room = context.add(Box::new(Room::new(element.upcast_ref(), shared)));
        let (say, ticked) = channel();
        let witness = context.add(Box::new(Witness(say)));
        // Both have started, at the same moment: from then on they are due together, the room first.
        ticked.recv_timeout(PATIENCE).unwrap();
        Story {
            clock,
            context,
            bus,
            ticked,
            _element: element,
            _tasks: [room, witness],
        }
    }

    /// Lets time pass, all at once.
    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.ticked.recv_timeout(PATIENCE).unwrap();
    }

    fn pass_ticks(&self, ticks: u64) {
        (0..ticks).for_each(|_| self.pass(TICK));
    }

    /// How often it was told since the last time that the room is late.
    fn told(&self) -> usize {
        std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Warning])).count()
    }

    fn skipped(&self) -> u64 {
        self.context.stats().skipped
    }
}

#[test]
fn a_room_in_time_says_nothing() {
    let story = Story::new("room-in-time");
    story.pass_ticks(100);
    // Late, but made up for.
    story.pass(TICK * 3);
    story.pass_ticks(100);
    assert_eq!((story.told(), story.skipped()), (0, 0));
}

#[test]
fn a_late_room_says_so_at_once_and_then_every_ten_seconds() {
    let story = Story::new("room-late");
    story.pass_ticks(10);
    story.pass(TICK * 25);
    assert_eq!((story.told(), story.skipped()), (1, 24));
    story.pass_ticks(10);
    story.pass(TICK * 25);
    assert_eq!((story.told(), story.skipped()), (0, 48));
    story.pass_ticks(LATE_EVERY);
    assert_eq!(
        (story.told(), story.skipped()),
        (1, 48),
        "of the second time"
    );
    story.pass_ticks(LATE_EVERY);
    assert_eq!((story.told(), story.skipped()), (0, 48));
}
