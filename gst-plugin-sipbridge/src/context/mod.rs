// SPDX-License-Identifier: MPL-2.0
//! Media threads: a few, shared by all calls.
//!
//! A [`Context`] is one thread that waits on sockets and timers together. Calls are [`Task`]s on
//! it; they add no thread, timer or queue of their own. Contexts are named, as in GStreamer's
//! threadshare plugin: who asks for the same name shares the same thread, and the thread ends when
//! its last handle is gone.

mod clock;
mod inbox;
mod load;
mod mailbox;
mod run;
mod stats;
mod task;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

pub use clock::{Clock, ManualClock, Monotonic};
pub use inbox::{Inbox, stamp_arrivals};
pub use mailbox::Mailbox;
pub use stats::{ContextStats, LATENESS_MS};
pub use task::{Cx, Notifier, Task, TaskHandle};

use run::Entry;
use stats::Counters;
use task::Control;

/// The longest a context may be throttled (`context-wait`).
pub const MAX_WAIT: Duration = Duration::from_millis(5);

/// Why a context could not start.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The system gave no event queue.
    #[error("cannot create the event queue of media thread {name:?}: {error}")]
    Poll {
        /// The context's name.
        name: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start media thread {name:?}: {error}")]
    Thread {
        /// The context's name.
        name: String,
        /// What the system said.
        error: std::io::Error,
    },
}

/// What other threads ask of a context. What is asked of a task that has moved on is handed on to
/// where it went.
enum Command {
    Add(Box<dyn Task>, Arc<Control>, Option<PanicHook>),
    Notify(Arc<Control>),
    Move(Arc<Control>, Context),
    Adopt(Box<Entry>),
    Remove(Arc<Control>),
    Shutdown,
}

/// Told on the context's thread, after the task was dropped, what the panic said.
pub type PanicHook = Box<dyn FnOnce(&str) + Send>;

struct Shared {
    name: String,
    waker: Arc<mio::Waker>,
    /// Two writes to an event descriptor for one round of the loop would be one too many.
    woken: AtomicBool,
    /// `None` once the thread has ended.
    commands: Mutex<Option<Vec<Command>>>,
    counters: Counters,
    clock: Arc<dyn Clock>,
}

impl Shared {
    fn commands(&self) -> MutexGuard<'_, Option<Vec<Command>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_asked(&self) -> bool {
        self.commands()
            .as_ref()
            .is_some_and(|asked| !asked.is_empty())
    }

    /// Asks it something; what it is asked by its own tasks, it does before it sleeps.
    fn command(&self, command: Command) {
        match self.commands().as_mut() {
            Some(commands) => commands.push(command),
            // All its tasks are gone. One that was just about to move here goes with them.
            None => {
                if let Command::Adopt(entry) = command {
                    entry.end();
                }
                return;
            }
        }
        if !self.is_current_thread()
            && !self.woken.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(context = self.name, %error, "cannot wake a media thread");
        }
    }

    fn is_current_thread(&self) -> bool {
        ON_CONTEXT.get() == std::ptr::from_ref(self).addr()
    }
}

/// Ends the thread when the last [`Context`] of it is gone.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.command(Command::Shutdown);
    }
}

/// A media thread. Cheap to clone; ends with its last handle.
#[derive(Clone)]
pub struct Context(Arc<Running>);

thread_local! {
    /// Where the [`Shared`] of this thread's context is; 0: it is no media thread.
    static ON_CONTEXT: Cell<usize> = const { Cell::new(0) };
}

static REGISTRY: LazyLock<Mutex<HashMap<String, Weak<Running>>>> = LazyLock::new(Mutex::default);
static DEFAULT_CONTEXTS: AtomicUsize = AtomicUsize::new(0);

/// How many contexts [`Context::default_for_new_call`] spreads calls over; 0: one a core.
pub fn set_default_contexts(count: usize) {
    DEFAULT_CONTEXTS.store(count, Ordering::Relaxed);
}

/// Whether this thread is a media thread: here nothing may block.
pub fn on_context_thread() -> bool {
    ON_CONTEXT.get() != 0
}

/// Tells media threads apart: a number of this one's own, 0 on any other thread.
pub(crate) fn current_context() -> usize {
    ON_CONTEXT.get()
}

impl Context {
    /// The context of this name: the running one, or a new one whose loop goes round at most once
    /// in `wait` (at most [`MAX_WAIT`]) when it is busy. A running context keeps its own `wait`.
    pub fn acquire(name: &str, wait: Duration) -> Result<Context, ContextError> {
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = registry.get(name).and_then(Weak::upgrade) {
            return Ok(Context(running));
        }
        let context = Context::with_clock(name, wait, Arc::new(Monotonic))?;
        registry.retain(|_, running| running.strong_count() > 0);
        registry.insert(name.to_owned(), Arc::downgrade(&context.0));
        Ok(context)
    }

    /// A context of its own, in no registry, on this clock.
    pub fn with_clock(
        name: &str,
        wait: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Context, ContextError> {
        let shared = run::spawn(name, wait.min(MAX_WAIT), clock)?;
        Ok(Context(Arc::new(Running(shared))))
    }

    /// The least loaded of `sipbridge-0`, `sipbridge-1` and so on; see [`set_default_contexts`].
    pub fn default_for_new_call() -> Result<Context, ContextError> {
        let count = match DEFAULT_CONTEXTS.load(Ordering::Relaxed) {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let mut least: Option<((u32, u32), Context)> = None;
        for index in 0..count {
            let name = format!("sipbridge-{index}");
            let running = REGISTRY
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&name)
                .and_then(Weak::upgrade);
            let Some(running) = running else {
                // One that does not run is idle. But a call alone needs no second thread.
                if least.as_ref().is_some_and(|(burden, _)| *burden == (0, 0)) {
                    break;
                }
                return Context::acquire(&name, MAX_WAIT);
            };
            let context = Context(running);
            let stats = context.stats();
            let burden = (stats.load_permille / 50, stats.tasks);
            if least.as_ref().is_none_or(|(other, _)| burden < *other) {
                least = Some((burden, context));
            }
        }
        match least {
            Some((_, context)) => Ok(context),
            None => Context::acquire("sipbridge-0", MAX_WAIT),
        }
    }

    /// All that run and have a name to be found by, in the order of their names.
    pub fn all() -> Vec<Context> {
        let registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        let running = registry.values().filter_map(Weak::upgrade);
        let mut all: Vec<Context> = running.map(Context).collect();
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// Its name, which is also its thread's.
    pub fn name(&self) -> &str {
        &self.shared().name
    }

    /// The clock it runs on.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.shared().clock.clone()
    }

    /// Puts a task on it. The task runs until its handle is dropped, or it panics.
    pub fn add(&self, task: Box<dyn Task>) -> TaskHandle {
        self.add_task(|_| task, None)
    }

    /// As [`Context::add`]; `build` gets what wakes the task, `on_panic` is called on the context's
    /// thread if the task panics.
    pub fn add_task(
        &self,
        build: impl FnOnce(Notifier) -> Box<dyn Task>,
        on_panic: Option<PanicHook>,
    ) -> TaskHandle {
        let shared = self.shared();
        let control = Arc::new(Control::new(shared.clone()));
        let notifier = Notifier {
            control: control.clone(),
        };
        shared.counters.tasks.fetch_add(1, Ordering::Relaxed);
        let task = build(notifier.clone());
        shared.command(Command::Add(task, control, on_panic));
        TaskHandle {
            notifier,
            context: Mutex::new(self.clone()),
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Whether the caller runs on this very context.
    pub fn is_current_thread(&self) -> bool {
        self.shared().is_current_thread()
    }

    /// Its counters.
    pub fn stats(&self) -> ContextStats {
        self.shared().counters.snapshot()
    }
}
