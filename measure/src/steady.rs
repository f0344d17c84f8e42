// SPDX-License-Identifier: MPL-2.0
//! A machine that stands still in the middle of speech tears it, whoever passes it on: a virtual one does when
//! its host has others to serve. Nothing can be judged by that.

use std::fmt::Display;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than a packet: more than a jitter buffer bridges that a quiet line has made shallow.
const TORN: Duration = Duration::from_millis(20);
/// How often a scenario is run at most.
const TRIES: usize = 3;
/// How often the watch looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Runs a scenario of speech. One that fails while the machine stood still is run again; one that fails
/// otherwise has failed.
pub fn steadily<E: Display>(scenario: impl Fn() -> Result<(), E>) -> Result<(), E> {
    run(scenario, |error| format!("{error:#}"))
}

/// The same for a scenario that asserts.
pub fn asserted_steadily(scenario: impl Fn()) {
    // What it had in hands is its own: the next try begins from nothing.
    let asserting = || catch_unwind(AssertUnwindSafe(&scenario));
    if let Err(panic) = run(asserting, |_| "see above".to_owned()) {
        resume_unwind(panic);
    }
}

fn run<E>(scenario: impl Fn() -> Result<(), E>, words: impl Fn(&E) -> String) -> Result<(), E> {
    for _ in 1..TRIES {
        let watch = Watch::start();
        let outcome = scenario();
        let still = watch.longest();
        match outcome {
            Err(error) if tears(still) => {
                // Past the test harness, which keeps what a test that passes prints to itself.
                let _ = writeln!(
                    std::io::stderr(),
                    "again, for the machine stood still for {still:?}: {}",
                    words(&error)
                );
            }
            outcome => return outcome,
        }
    }
    scenario()
}

fn tears(still: Duration) -> bool {
    still > TORN
}

/// A thread on each processor that wants to run all the time, and notes for how long it could not: a host that
/// takes one away leaves the others running.
struct Watch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Duration>>,
}

impl Watch {
    fn start() -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        // A thread that cannot even begin is held up too.
        let began = Instant::now();
        let watching = |processor| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                stay_on(processor);
                go_first();
                look(&stop, began)
            })
        };
        let threads = processors().into_iter().map(watching).collect();
        Watch { stop, threads }
    }

    fn longest(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        // One that panicked has seen nothing.
        let held = self.threads.into_iter().map(|thread| thread.join());
        held.map(Result::unwrap_or_default)
            .max()
            .unwrap_or_default()
    }
}

/// For how long this thread did not run at most, from `looked` on until it is told to stop.
fn look(stop: &AtomicBool, mut looked: Instant) -> Duration {
    let mut longest = Duration::ZERO;
    loop {
        let goes_on = !stop.load(Ordering::Relaxed);
        std::thread::sleep(LOOK_EVERY);
        // The last look counts: it may be the first since everything stood still.
        let now = Instant::now();
        longest = longest.max(now - looked);
        looked = now;
        if !goes_on {
            return longest;
        }
    }
}

/// The processors that this process may run on.
fn processors() -> Vec<usize> {
    // SAFETY: a set of bits is valid when all are zero, and the system writes no more than its size.
    let allowed = unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        let asked = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        (asked == 0).then_some(set)
    };
    let all = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: the numbers are those of bits in the set.
    let is_in = |set: &libc::cpu_set_t, number| unsafe { libc::CPU_ISSET(number, set) };
    match allowed {
        Some(set) => all.filter(|number| is_in(&set, *number)).collect(),
        None => vec![0],
    }
}

/// Keeps the calling thread on one processor; where it is not allowed, it is moved as all are.
fn stay_on(processor: usize) {
    // SAFETY: a set of bits is valid when all are zero, the number is that of one of them, and 0 is the
    // calling thread.
    unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// As the worker's media threads do: what holds them up is to be seen, not what others compute.
fn go_first() {
    // SAFETY: plain numbers in and out; 0 is the calling thread. Where it is not allowed, that thread
    // waits as all do.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;
    use std::cell::Cell;

    /// How often a scenario runs that holds up everybody, and fails at first.
    fn runs(fails: usize) -> (usize, Result<(), String>) {
        let runs = Cell::new(0);
        let outcome = steadily(|| {
            runs.set(runs.get() + 1);
            stand_still();
            (runs.get() > fails).then_some(()).ok_or("torn".to_owned())
        });
        (runs.get(), outcome)
    }

    /// Stops this whole process for longer than a jitter buffer bridges, with the watch in it.
    fn stand_still() {
        let me = std::process::id();
        let script = format!("kill -STOP {me}; sleep 0.1; kill -CONT {me}");
        let done = std::process::Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap();
        assert!(done.success());
    }

    #[test]
    fn who_fails_on_a_machine_that_stood_still_has_another_try() {
        let (runs, outcome) = runs(1);
        assert!(outcome.is_ok());
        assert_eq!(runs, 2);
    }

    #[test]
    fn who_asserts_has_another_try_too() {
        let runs = Cell::new(0);
        asserted_steadily(|| {
            runs.set(runs.get() + 1);
            stand_still();
            assert!(runs.get() > 1, "torn");
        });
        assert_eq!(runs.get(), 2);
    }

    #[test]
    #[should_panic(expected = "wrong")]
    fn what_is_wrong_is_wrong_on_any_machine() {
        asserted_steadily(|| panic!("wrong"));
    }

    #[test]
    fn who_always_fails_has_failed() {
        let (runs, outcome) = runs(usize::MAX);
        assert!(outcome.is_err());
        assert_eq!(runs, TRIES);
    }

    #[test]
    fn who_is_well_runs_once() {
        assert_eq!(runs(0).0, 1);
    }

    #[test]
    fn each_processor_is_watched() {
        for held in processors() {
            let watch = Watch::start();
            let still = std::thread::spawn(move || {
                stay_on(held);
                hold_up(Duration::from_millis(100))
            });
            let allowed = still.join().unwrap();
            assert!(!allowed || watch.longest() > TORN, "processor {held}");
        }
    }

    /// Lets nobody else run on the processor of this thread for so long, where that is allowed.
    fn hold_up(time: Duration) -> bool {
        let first = libc::sched_param { sched_priority: 1 };
        // SAFETY: the parameter lives as long as the call, and 0 is the calling thread.
        if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) } != 0 {
            return false;
        }
        let began = Instant::now();
        while began.elapsed() < time {}
        true
    }

    #[test]
    fn a_machine_that_runs_is_no_excuse() {
        assert!(!tears(Duration::from_millis(20)));
    }
}
