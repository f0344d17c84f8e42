// SPDX-License-Identifier: MPL-2.0
//! Something that runs on a context, and the handle its owner holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};

use super::Shared;

/// Something that lives on a context: usually one call's media.
///
/// Every method runs on the context's thread, one task at a time, and must neither block nor push
/// into anything that can wait. A panic in one removes that task and no other.
pub trait Task: Send {
    /// First: register sockets, set the timer.
    fn start(&mut self, cx: &mut Cx<'_>);

    /// The socket registered as `token` has something to read. Edge-triggered: read until it
    /// would block, or ask for more with [`Cx::again`].
    fn readable(&mut self, _cx: &mut Cx<'_>, _token: usize) {}

    /// The timer set with [`Cx::set_timer`] ran out. It is not set any more.
    fn timeout(&mut self, _cx: &mut Cx<'_>) {}

    /// Somebody called [`TaskHandle::notify`] or [`Notifier::notify`].
    fn notified(&mut self, _cx: &mut Cx<'_>) {}

    /// Last: the task is removed; sockets it holds are deregistered and closed when it drops.
    fn stop(&mut self, _cx: &mut Cx<'_>) {}
}

/// What a context offers a task while it runs one of its methods.
pub struct Cx<'a> {
    pub(super) now: Instant,
    pub(super) slot: usize,
    pub(super) phase: u32,
    pub(super) registry: &'a Registry,
    pub(super) timer: &'a mut Option<Instant>,
    pub(super) again: &'a mut Vec<(usize, usize)>,
}

/// Tokens of one task's sockets: a slot's share of mio's token space.
pub(super) const TOKEN_BITS: u32 = 8;

impl Cx<'_> {
    /// The time of this step, from the context's clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Where in a period of 20 ms this task should tick, in microseconds: tasks of one context
    /// get different places, so that many calls do not burst at once.
    pub fn phase_us(&self) -> u32 {
        self.phase
    }

    /// Calls [`Task::timeout`] at `at`, never within this round of the loop. A task has one timer:
    /// setting it again moves it.
    pub fn set_timer(&mut self, at: Instant) {
        *self.timer = Some(at.max(self.now + Duration::from_micros(50)));
    }

    /// Forgets the timer.
    pub fn clear_timer(&mut self) {
        *self.timer = None;
    }

    /// Watches a socket; [`Task::readable`] is called with `token` (at most 255).
    pub fn register(
        &mut self,
        socket: &mut mio::net::UdpSocket,
        token: usize,
    ) -> std::io::Result<()> {
        debug_assert!(token < 1 << TOKEN_BITS);
        self.registry.register(
            socket,
            Token((self.slot << TOKEN_BITS) | token),
            Interest::READABLE,
        )
    }

    /// Stops watching a socket. Closing it does so too.
    pub fn deregister(&mut self, socket: &mut mio::net::UdpSocket) -> std::io::Result<()> {
        self.registry.deregister(socket)
    }

    /// Calls [`Task::readable`] with `token` once more in the next round, for a task that stopped
    /// reading early to let others have their turn.
    pub fn again(&mut self, token: usize) {
        self.again.push((self.slot, token));
    }
}

/// What the owner of a task and the context share.
pub(super) struct Control {
    pub(super) slot: usize,
    pub(super) generation: u64,
    pub(super) notified: AtomicBool,
    gone: Mutex<bool>,
    acknowledged: Condvar,
}

impl Control {
    pub(super) fn new(slot: usize, generation: u64) -> Control {
        Control {
            slot,
            generation,
            notified: AtomicBool::new(false),
            gone: Mutex::new(false),
            acknowledged: Condvar::new(),
        }
    }

    /// The task was dropped, with all it held.
    pub(super) fn acknowledge(&self) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.acknowledged.notify_all();
    }

    pub(super) fn is_gone(&self) -> bool {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        while !*gone {
            gone = self
                .acknowledged
                .wait(gone)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Wakes one task; cheap to clone and to call, from any thread.
#[derive(Clone)]
pub struct Notifier {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Arc<Control>,
}

impl Notifier {
    /// Has [`Task::notified`] called soon. Notifications that come before it ran are one.
    pub fn notify(&self) {
        if !self.control.notified.swap(true, Ordering::AcqRel) {
            self.shared
                .command(super::Command::Notify(self.control.clone()));
        }
    }
}

/// A task's owner: dropping it removes the task without waiting, [`TaskHandle::remove`] waits.
pub struct TaskHandle {
    pub(super) notifier: Notifier,
    /// A task keeps its context alive. Dropped after the command to remove the task was given.
    pub(super) context: super::Context,
}

impl TaskHandle {
    /// Has [`Task::notified`] called soon.
    pub fn notify(&self) {
        self.notifier.notify();
    }

    /// Something others can wake the task with.
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// The context it runs on.
    pub fn context(&self) -> &super::Context {
        &self.context
    }

    /// Whether the task still runs: not removed, not lost to a panic.
    pub fn is_running(&self) -> bool {
        !self.notifier.control.is_gone()
    }

    /// Removes the task and waits until it was dropped, its sockets closed. On the context's own
    /// thread it cannot wait: there the task is dropped before the loop's next round.
    pub fn remove(self) {
        let control = self.notifier.control.clone();
        let on_own_thread = self.notifier.shared.is_current_thread();
        drop(self);
        if !on_own_thread {
            control.wait();
        }
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.notifier
            .shared
            .command(super::Command::Remove(self.notifier.control.clone()));
    }
}
