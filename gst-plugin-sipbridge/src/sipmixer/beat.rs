// SPDX-License-Identifier: MPL-2.0
//! When a room is mixed next, for those whose audio it takes: a call that ticks just before its room is
//! heard at once, and what it touched is still in the processor's cache when the room comes to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::participant::Participant;
use super::{SipMixer, SipMixerPad};
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
pub(super) struct Beat(Mutex<Option<Next>>);

impl Beat {
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
    fn wants(&self) -> Option<Instant> {
        let next = (*self.lock())?;
        let lead = match next.is_here() {
            true => LEAD_HERE,
            false => LEAD_ELSEWHERE,
        };
        next.at.checked_sub(lead)
    }
}

/// A participant's place in a room, for the call that speaks there.
pub(crate) struct Place {
    beat: Arc<Beat>,
    participant: Arc<Participant>,
}

impl Place {
    /// The place that this pad leads into at once, if it leads into one.
    pub(crate) fn behind(pad: &gst::Pad) -> Option<Place> {
        let sink = real_peer(pad)?.downcast::<SipMixerPad>().ok()?;
        let mixer = sink.parent_element()?.downcast::<SipMixer>().ok()?;
        Some(Place {
            beat: mixer.imp().shared.beat.clone(),
            participant: sink.participant()?,
        })
    }

    /// When the call is to tick, give or take whole periods.
    pub(crate) fn wants_ticks_at(&self) -> Option<Instant> {
        self.beat.wants()
    }

    /// Whether the room hears the call's silence.
    pub(crate) fn hears_silence(&self) -> bool {
        self.participant.is_heard()
    }
}

impl Next {
    fn is_here(self) -> bool {
        self.context != 0 && self.context == current_context()
    }
}
