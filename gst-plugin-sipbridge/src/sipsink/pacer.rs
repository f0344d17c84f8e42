// SPDX-License-Identifier: MPL-2.0
//! When a thread that feeds a `sipsink` has to wait, and what wakes it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;

/// Why a wait ended without its time having come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// A flush, or the way down: the buffer is refused.
    Flushing,
    /// The call is over.
    Over,
    /// Live audio came while not PLAYING. It is dropped rather than kept waiting: in a pipeline that
    /// leads back to its own source, the elements before this one stop first, and wait for their
    /// threads.
    Paused,
}

#[derive(Default)]
struct State {
    playing: bool,
    flushing: bool,
    over: bool,
    connected: bool,
    waiting: Option<gst::SingleShotClockId>,
}

/// What the feeding thread waits for: PLAYING, the call, the clock. Everything here can be
/// interrupted by a state change, a flush or the end of the call.
pub(super) struct Pacer {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for Pacer {
    /// Flushing, until the pad is activated.
    fn default() -> Pacer {
        let state = State {
            flushing: true,
            ..State::default()
        };
        Pacer {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }
}

impl Pacer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.lock();
            change(&mut state);
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.unschedule();
        }
        self.changed.notify_all();
    }

    pub(super) fn set_playing(&self, playing: bool) {
        self.change(|state| state.playing = playing);
    }

    pub(super) fn set_flushing(&self, flushing: bool) {
        self.change(|state| state.flushing = flushing);
    }

    /// Whether a call takes audio.
    pub(super) fn set_connected(&self, connected: bool) {
        self.change(|state| state.connected = connected);
    }

    pub(super) fn set_over(&self, over: bool) {
        self.change(|state| state.over = over);
    }

    pub(super) fn is_playing(&self) -> bool {
        self.lock().playing
    }

    /// Waits for PLAYING and for the call; `live` audio waits for neither.
    pub(super) fn ready(&self, live: bool) -> Result<(), Interrupt> {
        let mut state = self.lock();
        loop {
            if state.flushing {
                return Err(Interrupt::Flushing);
            }
            if state.over {
                return Err(Interrupt::Over);
            }
            if state.playing && (state.connected || live) {
                return Ok(());
            }
            if live {
                return Err(Interrupt::Paused);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the running time of `element` has come to `target`.
    pub(super) fn wait_until(
        &self,
        element: &gst::Element,
        target: gst::ClockTime,
        live: bool,
    ) -> Result<(), Interrupt> {
        loop {
            self.ready(live)?;
            // Without a clock nobody counts the time: as with sync=false.
            let (Some(clock), Some(base)) = (element.clock(), element.base_time()) else {
                return Ok(());
            };
            let id = clock.new_single_shot_id(base + target);
            {
                let mut state = self.lock();
                if state.flushing || state.over || !state.playing {
                    continue;
                }
                state.waiting = Some(id.clone());
            }
            let (result, _) = id.wait();
            self.lock().waiting = None;
            if result != Err(gst::ClockError::Unscheduled) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_wait_for_the_call_ends_with_the_call_a_flush_or_its_end() {
        for (act, expected) in [
            ((|pacer| pacer.set_connected(true)) as fn(&Pacer), Ok(())),
            (|pacer| pacer.set_flushing(true), Err(Interrupt::Flushing)),
            (|pacer| pacer.set_over(true), Err(Interrupt::Over)),
        ] {
            let pacer = Arc::new(Pacer::default());
            pacer.set_flushing(false);
            pacer.set_playing(true);
            let waiting = pacer.clone();
            let thread = std::thread::spawn(move || waiting.ready(false));
            act(&pacer);
            assert_eq!(thread.join().unwrap(), expected);
        }
    }

    #[test]
    fn live_audio_never_waits_for_the_state() {
        let pacer = Pacer::default();
        pacer.set_flushing(false);
        assert_eq!(pacer.ready(true), Err(Interrupt::Paused));
        pacer.set_playing(true);
        assert_eq!(pacer.ready(true), Ok(()));
    }
}
