// SPDX-License-Identifier: MPL-2.0
//! What the owner of a task asks of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Commands on their way to a task. Whoever posts one wakes the task afterwards.
pub struct Mailbox<C> {
    commands: Mutex<Vec<C>>,
    /// Spares the task a lock each time it is woken for something else.
    filled: AtomicBool,
}

impl<C> Default for Mailbox<C> {
    fn default() -> Mailbox<C> {
        Mailbox {
            commands: Mutex::default(),
            filled: AtomicBool::new(false),
        }
    }
}

impl<C> Mailbox<C> {
    /// From any thread.
    pub fn post(&self, command: C) {
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command);
        self.filled.store(true, Ordering::Release);
    }

    /// All that was posted since the last time, in order.
    pub fn take(&self) -> Vec<C> {
        if !self.filled.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_in_order_and_once() {
        let mailbox = Mailbox::default();
        assert!(mailbox.take().is_empty());
        mailbox.post('a');
        mailbox.post('b');
        assert_eq!(mailbox.take(), ['a', 'b']);
        assert!(mailbox.take().is_empty());
        mailbox.post('c');
        assert_eq!(mailbox.take(), ['c']);
    }
}
