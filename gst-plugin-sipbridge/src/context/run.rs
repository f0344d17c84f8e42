// SPDX-License-Identifier: MPL-2.0
//! The loop of a context.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::clock::Clock;
use super::inbox::Inbox;
use super::load::Load;
use super::stats::Counters;
use super::task::{Control, Cx, TOKEN_BITS, Task};
use super::{Command, Context, ContextError, ON_CONTEXT, PanicHook, Shared};

/// The token of the waker; slots count from 1, so no socket has it.
const WAKER: Token = Token(0);

/// A task, and what its context keeps of it.
pub(super) struct Entry {
    task: Box<dyn Task>,
    control: Arc<Control>,
    timer: Option<Instant>,
    /// Tells this task from others that had the same slot, for timers that were left behind.
    generation: u64,
    phase: u32,
    on_panic: Option<PanicHook>,
}

impl Entry {
    /// Drops the task, with its sockets, and tells who waits for that.
    pub(super) fn end(self) -> Ended {
        let Entry {
            task,
            control,
            on_panic,
            ..
        } = self;
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(task))).is_err();
        control.acknowledge();
        Ended { panicked, on_panic }
    }
}

/// What is left of a task.
pub(super) struct Ended {
    panicked: bool,
    on_panic: Option<PanicHook>,
}

struct Loop {
    shared: Arc<Shared>,
    poll: Poll,
    wait: Duration,
    /// By slot; slot 0 is the waker's.
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    generation: u64,
    /// Deadlines, slots and generations. A timer that was moved leaves its old entry behind, which
    /// is recognised by no longer being the task's deadline.
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    again: Vec<(usize, usize)>,
    inbox: Inbox,
    /// Taken from what was asked, to be filled again.
    asked: Vec<Command>,
    added: u32,
}

/// How often in one round of the loop what tasks ask each other is done.
const ASKED_ROUNDS: usize = 4;

/// The nice value of a media thread.
const NICE: libc::c_int = -10;

/// Asks the system to let this thread run before others on a busy machine: what it does is short, and a
/// hundredth of a second later it is heard. Where that is not allowed (RLIMIT_NICE), it waits as they do.
fn go_first() {
    // SAFETY: plain numbers in and out; 0 is the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

pub(super) fn spawn(
    name: &str,
    wait: Duration,
    clock: Arc<dyn Clock>,
) -> Result<Arc<Shared>, ContextError> {
    let no_poll = |error| ContextError::Poll {
        name: name.to_owned(),
        error,
    };
    let poll = Poll::new().map_err(no_poll)?;
    let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER).map_err(no_poll)?);
    clock.watch(Arc::downgrade(&waker));
    let shared = Arc::new(Shared {
        name: name.to_owned(),
        waker,
        woken: AtomicBool::new(false),
        commands: Mutex::new(Some(Vec::new())),
        counters: Counters::default(),
        clock,
    });
    let mut run = Loop {
        shared: shared.clone(),
        poll,
        wait,
        entries: vec![None],
        free: Vec::new(),
        generation: 0,
        timers: BinaryHeap::new(),
        again: Vec::new(),
        inbox: Inbox::new(shared.clock.passes()),
        asked: Vec::new(),
        added: 0,
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            ON_CONTEXT.set(Arc::as_ptr(&run.shared).addr());
            go_first();
            run.run();
        })
        .map_err(|error| ContextError::Thread {
            name: name.to_owned(),
            error,
        })?;
    Ok(shared)
}

impl Loop {
    fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        let mut ready: Vec<(usize, usize)> = Vec::new();
        let mut load = Load::new(Instant::now());
        let mut asked_more = false;
        loop {
            let sleep = if self.again.is_empty() && !asked_more {
                self.next_deadline()
                    .map_or(Sleep::UntilWoken, |at| self.sleep_until(at))
            } else {
                Sleep::For(Duration::ZERO)
            };
            load.rests(Instant::now());
            if let Err(error) = self.poll.poll(&mut events, sleep.timeout())
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(context = self.shared.name, %error, "a media thread cannot wait");
                std::thread::sleep(self.wait);
            }
            load.works(Instant::now(), &self.shared.counters);

            ready.clear();
            ready.append(&mut self.again);
            for event in &events {
                let Token(token) = event.token();
                let slot = token >> TOKEN_BITS;
                if slot != 0 {
                    ready.push((slot, token & ((1 << TOKEN_BITS) - 1)));
                }
            }
            for &(slot, token) in &ready {
                self.with_task(slot, |task, cx| task.readable(cx, token));
            }

            let mut shutdown = self.obey_all();
            self.fire_timers();
            // A room that was mixed is heard by its phones at once.
            shutdown |= self.obey_all();
            asked_more = self.shared.is_asked();
            self.shared.counters.wakeups.fetch_add(1, Ordering::Relaxed);
            if shutdown {
                self.end();
                return;
            }
            if !asked_more {
                self.throttle(&mut load);
            }
        }
    }

    /// Does what was asked, and what that made tasks ask; says whether the context is to end. Tasks that
    /// go on asking each other have to wait for a round of the loop in between.
    fn obey_all(&mut self) -> bool {
        let mut shutdown = false;
        for _ in 0..ASKED_ROUNDS {
            self.shared.woken.store(false, Ordering::Release);
            let mut asked = std::mem::take(&mut self.asked);
            if let Some(commands) = self.shared.commands().as_mut() {
                std::mem::swap(&mut asked, commands);
            }
            let any = !asked.is_empty();
            for command in asked.drain(..) {
                shutdown |= self.obey(command);
            }
            self.asked = asked;
            if !any || shutdown {
                break;
            }
        }
        shutdown
    }

    /// Lets sockets fill while the loop is busy, so that one round serves many calls. No timer waits
    /// for it.
    fn throttle(&mut self, load: &mut Load) {
        if !self.shared.clock.passes() {
            return;
        }
        let timer = self.next_deadline();
        let timer = timer.map(|at| at.saturating_duration_since(self.shared.clock.now()));
        let permille = self.shared.counters.load_permille.load(Ordering::Relaxed);
        if let Some(pause) = load.pause(Instant::now(), self.wait, permille, timer) {
            load.rests(Instant::now());
            std::thread::sleep(pause);
            load.works(Instant::now(), &self.shared.counters);
        }
    }

    /// The earliest live timer; stale ones are dropped on the way.
    fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, slot, generation))) = self.timers.peek().copied() {
            let live = self.entries.get(slot).and_then(Option::as_ref);
            if live.is_some_and(|e| e.generation == generation && e.timer == Some(at)) {
                return Some(at);
            }
            self.timers.pop();
        }
        None
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.shared
            .clock
            .real_time_until(at)
            .map_or(Sleep::UntilWoken, Sleep::For)
    }

    fn fire_timers(&mut self) {
        let now = self.shared.clock.now();
        while let Some(at) = self.next_deadline().filter(|at| *at <= now) {
            let Some(Reverse((_, slot, _))) = self.timers.pop() else {
                return;
            };
            if let Some(Some(entry)) = self.entries.get_mut(slot) {
                entry.timer = None;
            }
            let late = self.shared.clock.now().saturating_duration_since(at);
            self.shared.counters.fired(late);
            self.with_task(slot, |task, cx| task.timeout(cx));
        }
    }

    /// Whether the context is to end.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Add(task, control, on_panic) => {
                let slot = self.place(Entry {
                    task,
                    control,
                    timer: None,
                    generation: 0,
                    phase: 0,
                    on_panic,
                });
                self.with_task(slot, |task, cx| task.start(cx));
            }
            Command::Adopt(entry) => {
                let slot = self.place(*entry);
                self.with_task(slot, |task, cx| task.arrive(cx));
            }
            Command::Notify(control) => match self.slot_of(&control) {
                Some(slot) => {
                    control.notified.store(false, Ordering::Release);
                    self.with_task(slot, |task, cx| task.notified(cx));
                }
                None => self.hand_on(&control, Command::Notify(control.clone())),
            },
            Command::Move(control, target) => match self.slot_of(&control) {
                Some(slot) => self.send_away(slot, &control, &target),
                None => self.hand_on(&control, Command::Move(control.clone(), target)),
            },
            Command::Remove(control) => match self.slot_of(&control) {
                Some(slot) => {
                    self.with_task(slot, |task, cx| task.stop(cx));
                    // A panic in `stop` has removed it already.
                    if self.slot_of(&control).is_some() {
                        self.remove(slot);
                    }
                }
                None => self.hand_on(&control, Command::Remove(control.clone())),
            },
            Command::Shutdown => return true,
        }
        false
    }

    /// Gives a task a slot, a place in the period, and its timer if it brings one.
    fn place(&mut self, mut entry: Entry) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.generation += 1;
        entry.generation = self.generation;
        // The bits of a counter in reverse order fall evenly into the period, whatever the number
        // of tasks.
        let phase = (u64::from(self.added.reverse_bits()) * 20_000) >> 32;
        self.added = self.added.wrapping_add(1);
        entry.phase = phase as u32;
        entry.control.slot.store(slot, Ordering::Relaxed);
        if let Some(at) = entry.timer {
            self.timers.push(Reverse((at, slot, entry.generation)));
        }
        if let Some(place) = self.entries.get_mut(slot) {
            *place = Some(entry);
        }
        slot
    }

    /// Where the task is, if it is here.
    fn slot_of(&self, control: &Arc<Control>) -> Option<usize> {
        let slot = control.slot.load(Ordering::Relaxed);
        let entry = self.entries.get(slot)?.as_ref()?;
        Arc::ptr_eq(&entry.control, control).then_some(slot)
    }

    /// Asks it where the task went, if it went elsewhere.
    fn hand_on(&self, control: &Control, command: Command) {
        let home = control.home();
        if !Arc::ptr_eq(&home, &self.shared) {
            home.command(command);
        }
    }

    /// Lets a task go to another context.
    fn send_away(&mut self, slot: usize, control: &Arc<Control>, target: &Context) {
        if Arc::ptr_eq(target.shared(), &self.shared) {
            return;
        }
        self.with_task(slot, |task, cx| task.leave(cx));
        // A panic in `leave` has removed it.
        let Some(entry) = self.vacate(slot) else {
            return;
        };
        let mut home = control.home();
        *home = target.shared().clone();
        home.counters.tasks.fetch_add(1, Ordering::Relaxed);
        home.command(Command::Adopt(Box::new(entry)));
    }

    /// Runs one step of a task. A panic ends the task, not the thread.
    fn with_task(&mut self, slot: usize, step: impl FnOnce(&mut dyn Task, &mut Cx<'_>)) {
        let Some(Some(entry)) = self.entries.get_mut(slot) else {
            return;
        };
        let before = entry.timer;
        let mut cx = Cx {
            now: self.shared.clock.now(),
            slot,
            phase: entry.phase,
            registry: self.poll.registry(),
            timer: &mut entry.timer,
            again: &mut self.again,
            inbox: &mut self.inbox,
            counters: &self.shared.counters,
        };
        let task = entry.task.as_mut();
        let outcome = catch_unwind(AssertUnwindSafe(|| step(task, &mut cx)));
        match outcome {
            Ok(()) => {
                if let Some(at) = entry.timer
                    && before != entry.timer
                {
                    self.timers.push(Reverse((at, slot, entry.generation)));
                }
            }
            Err(panic) => {
                let said = panic_text(panic.as_ref());
                self.shared.counters.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    context = self.shared.name,
                    panic = said,
                    "a call's media failed"
                );
                if let Some(on_panic) = self.remove(slot) {
                    // The owner's code is no more trusted than the task was.
                    if catch_unwind(AssertUnwindSafe(|| on_panic(&said))).is_err() {
                        tracing::error!(context = self.shared.name, "a panic hook panicked");
                    }
                }
            }
        }
    }

    /// Ends a task that was stopped, or that panicked.
    fn remove(&mut self, slot: usize) -> Option<PanicHook> {
        let Ended { panicked, on_panic } = self.vacate(slot)?.end();
        if panicked {
            self.shared.counters.panics.fetch_add(1, Ordering::Relaxed);
        }
        on_panic
    }

    /// Takes a task out of its slot.
    fn vacate(&mut self, slot: usize) -> Option<Entry> {
        let entry = self.entries.get_mut(slot)?.take()?;
        self.again.retain(|(other, _)| *other != slot);
        self.shared.counters.tasks.fetch_sub(1, Ordering::Relaxed);
        self.free.push(slot);
        Some(entry)
    }

    fn end(&mut self) {
        for slot in 0..self.entries.len() {
            self.with_task(slot, |task, cx| task.stop(cx));
            self.remove(slot);
        }
        // What is asked from now on is asked of nobody. Dropped outside the lock: a task that was on
        // its way here has handles of its own.
        let asked = self.shared.commands().take();
        for command in asked.into_iter().flatten() {
            if let Command::Adopt(entry) = command {
                entry.end();
            }
        }
    }
}

enum Sleep {
    UntilWoken,
    For(Duration),
}

impl Sleep {
    fn timeout(&self) -> Option<Duration> {
        match self {
            Sleep::UntilWoken => None,
            Sleep::For(time) => Some(*time),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(said) = panic.downcast_ref::<&str>() {
        (*said).to_owned()
    } else if let Some(said) = panic.downcast_ref::<String>() {
        said.clone()
    } else {
        "unknown panic".to_owned()
    }
}
