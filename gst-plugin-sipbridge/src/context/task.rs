// SPDX-License-Identifier: MPL-2.0
//! Something that runs on a context, and the handle its owner holds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};

use super::stats::Counters;
use super::{Command, Context, Inbox, Shared, on_context_thread};

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

    /// The task is about to move to another context: deregister sockets. The timer moves along.
    fn leave(&mut self, _cx: &mut Cx<'_>) {}

    /// The task has moved to this context: register sockets again. What came meanwhile is readable
    /// at once.
    fn arrive(&mut self, _cx: &mut Cx<'_>) {}

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
    pub(super) inbox: &'a mut Inbox,
    pub(super) counters: &'a Counters,
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

    /// Watches a connection: [`Task::readable`] is called when it can be read, and when it can be written.
    pub fn register_stream(
        &mut self,
        stream: &mut mio::net::TcpStream,
        token: usize,
    ) -> std::io::Result<()> {
        debug_assert!(token < 1 << TOKEN_BITS);
        self.registry.register(
            stream,
            Token((self.slot << TOKEN_BITS) | token),
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    /// Stops watching a connection. Closing it does so too.
    pub fn deregister_stream(&mut self, stream: &mut mio::net::TcpStream) -> std::io::Result<()> {
        self.registry.deregister(stream)
    }

    /// Where datagrams are read into.
    pub fn inbox(&mut self) -> &mut Inbox {
        self.inbox
    }

    /// Counts ticks of the task that came too late to happen ([`ContextStats::skipped`](super::ContextStats)).
    pub fn skipped(&self, ticks: u64) {
        if ticks > 0 {
            self.counters.skipped.fetch_add(ticks, Ordering::Relaxed);
        }
    }

    /// Calls [`Task::readable`] with `token` once more in the next round, for a task that stopped
    /// reading early to let others have their turn.
    pub fn again(&mut self, token: usize) {
        self.again.push((self.slot, token));
    }
}

/// What the owner of a task and its context share.
pub(super) struct Control {
    /// The context that runs it, or soon will. Locked while something is asked of the task, so that
    /// it is asked before the task moves, or else where it moved to.
    home: Mutex<Arc<Shared>>,
    /// Its place there; only that context's thread knows whether it still holds.
    pub(super) slot: AtomicUsize,
    pub(super) notified: AtomicBool,
    gone: Mutex<bool>,
    acknowledged: Condvar,
}

impl Control {
    pub(super) fn new(home: Arc<Shared>) -> Control {
        Control {
            home: Mutex::new(home),
            slot: AtomicUsize::new(0),
            notified: AtomicBool::new(false),
            gone: Mutex::new(false),
            acknowledged: Condvar::new(),
        }
    }

    /// The context that runs it, locked.
    pub(super) fn home(&self) -> MutexGuard<'_, Arc<Shared>> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(super) control: Arc<Control>,
}

impl Notifier {
    /// Has [`Task::notified`] called soon. Notifications that come before it ran are one.
    pub fn notify(&self) {
        if !self.control.notified.swap(true, Ordering::AcqRel) {
            let home = self.control.home();
            home.command(Command::Notify(self.control.clone()));
        }
    }
}

/// A task's owner: dropping it removes the task without waiting, [`TaskHandle::remove`] waits.
pub struct TaskHandle {
    pub(super) notifier: Notifier,
    /// A task keeps its context alive. Dropped after the command to remove the task was given.
    pub(super) context: Mutex<Context>,
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
    pub fn context(&self) -> Context {
        self.context
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Has the task run on another context, on the same clock, from between two of its steps on.
    /// Nothing that is asked of it meanwhile is lost.
    pub fn move_to(&self, context: &Context) {
        let mut current = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        let control = &self.notifier.control;
        control
            .home()
            .command(Command::Move(control.clone(), context.clone()));
        *current = context.clone();
    }

    /// Whether the task still runs: not removed, not lost to a panic.
    pub fn is_running(&self) -> bool {
        !self.notifier.control.is_gone()
    }

    /// Removes the task and waits until it was dropped, its sockets closed. A media thread never
    /// waits: called on one, this returns at once, and the task is dropped before the loop's next
    /// round if it runs on that same thread.
    pub fn remove(self) {
        let control = self.notifier.control.clone();
        drop(self);
        if !on_context_thread() {
            control.wait();
        }
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        let control = &self.notifier.control;
        control.home().command(Command::Remove(control.clone()));
    }
}
