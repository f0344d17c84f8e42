// SPDX-License-Identifier: MPL-2.0
//! Whether the input that is being tried takes too long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An input that computes for longer than this is a finding. Of the thread's own time: others may keep the
/// machine busy.
const LONGEST: Duration = Duration::from_secs(20);
/// So is one that is not done after so long: nothing here waits for anything.
const STUCK: Duration = Duration::from_secs(600);

/// An input that is being tried, when that began, and what the thread had computed until then.
struct Tried {
    began: Instant,
    computed: Duration,
    input: Vec<u8>,
}

/// The input that is being tried.
#[derive(Clone)]
pub(crate) struct Watched {
    clock: ThreadClock,
    tried: Arc<Mutex<Option<Tried>>>,
}

impl Watched {
    /// What the calling thread tries.
    pub(crate) fn by_this_thread() -> Watched {
        Watched {
            clock: ThreadClock::of_this_thread(),
            tried: Arc::default(),
        }
    }

    /// Ends the process when an input takes too long, once it has been told: a thread that never ends cannot be
    /// stopped.
    pub(crate) fn ends_the_process(&self, tell: impl Fn(Duration, &[u8]) + Send + 'static) {
        let watched = self.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LONGEST / 4);
                if let Some((most, input)) = watched.too_long() {
                    tell(most, &input);
                    std::process::exit(1);
                }
            }
        });
    }

    pub(crate) fn tries(&self, input: Vec<u8>) {
        let (began, computed) = (Instant::now(), self.clock.computed());
        *self.lock() = Some(Tried {
            began,
            computed,
            input,
        });
    }

    pub(crate) fn is_done(&self) {
        *self.lock() = None;
    }

    fn too_long(&self) -> Option<(Duration, Vec<u8>)> {
        let tried = self.lock();
        let tried = tried.as_ref()?;
        let computed = self.clock.computed().saturating_sub(tried.computed);
        let longer = [(computed, LONGEST), (tried.began.elapsed(), STUCK)]
            .into_iter()
            .find(|(took, most)| took > most);
        longer.map(|(_, most)| (most, tried.input.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Tried>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread has computed, to be read by others.
#[derive(Clone, Copy)]
struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    fn of_this_thread() -> ThreadClock {
        let mut clock = libc::CLOCK_MONOTONIC;
        // SAFETY: this thread lives, and the number is written to a place of its own. Where it fails the clock
        // on the wall is left in it, which is the stricter one.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        ThreadClock(clock)
    }

    fn computed(self) -> Duration {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the time is written to a place of its own. The clock of a thread that has ended gives none.
        unsafe { libc::clock_gettime(self.0, &mut time) };
        let whole = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::from_secs(whole)
            + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
    }
}
