// SPDX-License-Identifier: MPL-2.0
//! The leaky queue between a media thread and the thread of a pad. Pushing never waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// What goes downstream, in order.
#[derive(Debug)]
pub(crate) enum Item {
    Buffer(gst::Buffer),
    /// Serialised, and never dropped but by a flush.
    Event(gst::Event),
}

/// Half a second of 20 ms frames: whoever is slower than that has lost touch with the call.
const FRAMES_MAX: usize = 25;

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    frames: usize,
    closed: bool,
    /// Frames were dropped: the next one says so.
    gap: bool,
    /// The thread that takes.
    taker: Option<ThreadId>,
}

impl State {
    fn begin(&mut self, closed: bool) {
        let taker = self.taker;
        *self = State {
            closed,
            taker,
            ..State::default()
        };
    }
}

pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

impl Default for Queue {
    /// Closed, until the pad is activated.
    fn default() -> Queue {
        let state = State {
            closed: true,
            ..State::default()
        };
        Queue {
            state: Mutex::new(state),
            filled: Condvar::new(),
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self) {
        self.lock().begin(false);
    }

    /// Empties it and wakes the taker for good.
    pub(crate) fn close(&self) {
        self.lock().begin(true);
        self.filled.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether this is the thread that takes.
    pub(crate) fn is_taken_here(&self) -> bool {
        self.lock().taker == Some(thread::current().id())
    }

    /// Forgets everything, events too: what comes is a new stream.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        let closed = state.closed;
        state.begin(closed);
    }

    /// Forgets frames, keeps events.
    pub(crate) fn forget_frames(&self) {
        let mut state = self.lock();
        let before = state.items.len();
        state.items.retain(|item| matches!(item, Item::Event(_)));
        state.gap |= state.items.len() != before;
        state.frames = 0;
    }

    /// Adds an item; of too many frames the oldest goes.
    pub(crate) fn push(&self, item: Item) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if matches!(item, Item::Buffer(_)) {
            if state.frames == FRAMES_MAX {
                let oldest = state
                    .items
                    .iter()
                    .position(|item| matches!(item, Item::Buffer(_)));
                if let Some(oldest) = oldest {
                    state.items.remove(oldest);
                    state.frames -= 1;
                    state.gap = true;
                }
            }
            state.frames += 1;
        }
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
    }

    /// The next item; waits for it. `None` when closed.
    pub(crate) fn take(&self) -> Option<Item> {
        let mut state = self.lock();
        state.taker = Some(thread::current().id());
        loop {
            if state.closed {
                return None;
            }
            if let Some(item) = state.items.pop_front() {
                return Some(match item {
                    Item::Buffer(mut buffer) => {
                        state.frames -= 1;
                        if std::mem::take(&mut state.gap) {
                            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
                        }
                        Item::Buffer(buffer)
                    }
                    event => event,
                });
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64) -> Item {
        let mut buffer = gst::Buffer::new();
        buffer.make_mut().set_offset(number);
        Item::Buffer(buffer)
    }

    fn queue() -> Queue {
        gst::init().unwrap();
        let queue = Queue::default();
        queue.open();
        queue
    }

    #[test]
    fn the_oldest_frames_leak_and_the_next_says_so() {
        let queue = queue();
        for number in 0..30 {
            queue.push(frame(number));
        }
        let Some(Item::Buffer(first)) = queue.take() else {
            panic!("no frame")
        };
        assert_eq!(first.offset(), 5);
        assert!(first.flags().contains(gst::BufferFlags::DISCONT));
        let Some(Item::Buffer(second)) = queue.take() else {
            panic!("no frame")
        };
        assert!(!second.flags().contains(gst::BufferFlags::DISCONT));
    }

    #[test]
    fn events_survive_overflow_and_forgetting() {
        let queue = queue();
        queue.push(Item::Event(gst::event::StreamStart::new("a")));
        for number in 0..30 {
            queue.push(frame(number));
        }
        queue.push(Item::Event(gst::event::Eos::new()));
        queue.forget_frames();
        assert!(matches!(queue.take(), Some(Item::Event(_))));
        let Some(Item::Event(last)) = queue.take() else {
            panic!("no event")
        };
        assert_eq!(last.type_(), gst::EventType::Eos);
    }

    #[test]
    fn closing_wakes_who_waits() {
        let queue = std::sync::Arc::new(queue());
        let waiting = queue.clone();
        let taker = std::thread::spawn(move || waiting.take().is_none());
        queue.close();
        assert!(taker.join().unwrap());
        queue.push(frame(0));
        assert!(queue.take().is_none());
    }
}
