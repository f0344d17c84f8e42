// SPDX-License-Identifier: MPL-2.0
//! When a room is mixed next, for those whose audio it takes: a call that ticks just before its room is
//! heard at once, and what it touched is still in the processor's cache when the room comes to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::SipMixer;
use crate::context::current_context;
use crate::handover::real_peer;

/// Timers of one media thread run in the order of their times: this much before is surely before.
const LEAD_HERE: Duration = Duration::from_micros(500);

/// Another media thread may be late, as it may be for whoever else pushes.
const LEAD_ELSEWHERE: Duration = Duration::from_millis(8);

#[derive(Debug, Clone, Copy)]
struct Next {
    at: Instant,
    context: usize,
}

/// The beat of one room.
#[derive(Default)]
pub(crate) struct Beat(Mutex<Option<Next>>);

impl Beat {
    /// The beat of the room that this pad leads into at once, if it leads into one.
    pub(crate) fn behind(pad: &gst::Pad) -> Option<Arc<Beat>> {
        let mixer = real_peer(pad)?.parent_element()?;
        let mixer = mixer.downcast::<SipMixer>().ok()?;
        Some(mixer.imp().shared.beat.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Next>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From the room's own media thread.
    pub(super) fn is_at(&self, at: Instant) {
        let context = current_context();
        *self.lock() = Some(Next { at, context });
    }

    /// No room is mixed any more.
    pub(super) fn rests(&self) {
        *self.lock() = None;
    }

    /// Whether the room is mixed by this very thread.
    pub(super) fn is_here(&self) -> bool {
        self.lock().is_some_and(Next::is_here)
    }

    /// When whoever asks is to tick, give or take whole periods.
    pub(crate) fn wants(&self) -> Option<Instant> {
        let next = (*self.lock())?;
        let lead = match next.is_here() {
            true => LEAD_HERE,
            false => LEAD_ELSEWHERE,
        };
        next.at.checked_sub(lead)
    }
}

impl Next {
    fn is_here(self) -> bool {
        self.context != 0 && self.context == current_context()
    }
}
