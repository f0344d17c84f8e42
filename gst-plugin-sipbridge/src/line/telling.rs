// SPDX-License-Identifier: MPL-2.0
//! Notices on their way to an element. What one posts goes through the bins around it: none of them may go while a
//! thread of the agent's or of media is there.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// A notice that waits for whoever stops the element would wait for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who tells the element of something at this moment.
#[derive(Default)]
pub(super) struct Telling {
    threads: Mutex<Vec<ThreadId>>,
    done: Condvar,
}

/// One notice; it has been told when this is dropped.
pub(super) struct Told<'a>(&'a Telling);

impl Telling {
    fn threads(&self) -> MutexGuard<'_, Vec<ThreadId>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self) -> Told<'_> {
        self.threads().push(thread::current().id());
        Told(self)
    }

    /// Waits until no other thread tells anything. A handler of the application's may stop the element on this one.
    pub(super) fn wait(&self) {
        let me = thread::current().id();
        let others = |threads: &mut Vec<ThreadId>| threads.iter().any(|id| *id != me);
        let waited = self
            .done
            .wait_timeout_while(self.threads(), PATIENCE, others);
        drop(waited);
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let me = thread::current().id();
        let mut threads = self.0.threads();
        if let Some(at) = threads.iter().position(|id| *id == me) {
            threads.swap_remove(at);
        }
        self.0.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};

    use super::*;

    #[test]
    fn who_stops_waits_for_what_another_thread_tells() {
        let telling = Telling::default();
        let told = telling.begin();
        thread::scope(|scope| {
            let (tell, stopped) = channel();
            let telling = &telling;
            scope.spawn(move || {
                // What this thread tells itself it does not wait for.
                let _own = telling.begin();
                telling.wait();
                tell.send(()).unwrap();
            });
            let early = stopped.recv_timeout(PATIENCE / 5);
            assert_eq!(early, Err(RecvTimeoutError::Timeout));
            drop(told);
            assert_eq!(stopped.recv_timeout(PATIENCE / 2), Ok(()));
        });
    }
}
