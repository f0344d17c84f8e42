// SPDX-License-Identifier: MPL-2.0
//! Where audio towards the far end goes in, from any thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::api::{Format, Pushed};
use crate::context::Notifier;

/// Audio that may wait behind the newest buffer, in nanoseconds.
const WAITING_MAX_NS: u64 = 250_000_000;

/// Buffers that wait to be sent.
#[derive(Default)]
pub(super) struct Queue {
    buffers: VecDeque<(Format, gst::Buffer, u64)>,
    waiting_ns: u64,
    pub(super) overflows: u64,
    pub(super) flushed: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn pop(&mut self) -> Option<(Format, gst::Buffer)> {
        let (format, buffer, length) = self.buffers.pop_front()?;
        self.waiting_ns -= length;
        Some((format, buffer))
    }

    pub(super) fn waiting_ns(&self) -> u64 {
        self.waiting_ns
    }

    pub(super) fn clear(&mut self) {
        self.buffers.clear();
        self.waiting_ns = 0;
    }

    fn push(&mut self, format: Format, buffer: gst::Buffer) -> bool {
        let length = length_ns(format, &buffer);
        self.buffers.push_back((format, buffer, length));
        self.waiting_ns += length;
        let before = self.overflows;
        while self.waiting_ns > WAITING_MAX_NS + length && self.pop().is_some() {
            self.overflows += 1;
        }
        self.overflows != before
    }
}

/// The queue, shared by those who push and the task that sends. Held for moments only, by both.
#[derive(Clone, Default)]
pub(super) struct SharedQueue(Arc<Mutex<Queue>>);

impl SharedQueue {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.clear();
    }
}

/// Where audio towards the far end goes in. Never blocks; cheap to clone.
#[derive(Clone)]
pub struct AudioIn {
    pub(super) queue: SharedQueue,
    pub(super) notifier: Notifier,
}

impl AudioIn {
    /// One buffer of audio of any length, in this format. Framing to the call's packet time, and
    /// transcoding if it must be, happen behind. Of what comes faster than it can be sent, the
    /// oldest is dropped.
    pub fn push(&self, format: Format, buffer: gst::Buffer) -> Pushed {
        let overflowed = {
            let mut queue = self.queue.lock();
            if queue.closed {
                return Pushed::Closed;
            }
            queue.push(format, buffer)
        };
        self.notifier.notify();
        if overflowed {
            Pushed::Overflowed
        } else {
            Pushed::Queued
        }
    }

    /// Forgets what was pushed and not sent yet (a flush).
    pub fn flush(&self) {
        let mut queue = self.queue.lock();
        queue.clear();
        queue.flushed = true;
    }
}

/// How much audio a buffer holds. For encoded audio that does not say, one usual packet.
fn length_ns(format: Format, buffer: &gst::Buffer) -> u64 {
    match format {
        Format::Raw { rate_hz } => {
            buffer.size() as u64 / 2 * 1_000_000_000 / u64::from(rate_hz.max(1))
        }
        Format::Encoded(_) | Format::Rtp { .. } => buffer
            .duration()
            .map_or(20_000_000, gst::ClockTime::nseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(ms: usize) -> gst::Buffer {
        gst::Buffer::with_size(16 * ms).unwrap()
    }

    const RAW: Format = Format::Raw { rate_hz: 8_000 };

    #[test]
    fn the_oldest_goes_when_it_comes_too_fast() {
        gst::init().unwrap();
        let mut queue = Queue::default();
        for _ in 0..13 {
            assert!(!queue.push(RAW, raw(20)));
        }
        assert!(queue.push(RAW, raw(20)));
        assert_eq!(queue.overflows, 1);
        assert_eq!(queue.waiting_ns(), 260_000_000);
    }

    #[test]
    fn one_long_buffer_always_fits() {
        gst::init().unwrap();
        let mut queue = Queue::default();
        assert!(!queue.push(RAW, raw(2_000)));
        assert!(queue.push(RAW, raw(20)));
        assert_eq!(queue.waiting_ns(), 20_000_000);
        assert!(!queue.push(RAW, raw(2_000)));
    }
}
