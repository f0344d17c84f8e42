// SPDX-License-Identifier: MPL-2.0
//! The events of one call, on their way to its user.
//!
//! Most calls are silent most of the time, so the queue holds memory only while something waits in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::mpsc::error::TryRecvError;

use crate::endpoint::CallEvent;

/// Events that may wait to be read, beside the last one.
const WAITING: usize = 63;

/// Two ends of a queue.
pub(super) fn queue() -> (EventSender, EventReceiver) {
    let shared = Arc::new(Shared::default());
    (EventSender(shared.clone()), EventReceiver(shared))
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Waiting,
    reader: Option<Waker>,
    /// Nothing more is told.
    told: bool,
    /// Nobody listens any more.
    deaf: bool,
}

/// In order. A reader that keeps up finds one at a time, which needs no room elsewhere.
#[derive(Default)]
struct Waiting {
    first: Option<CallEvent>,
    more: VecDeque<CallEvent>,
}

impl Waiting {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    fn push(&mut self, event: CallEvent) {
        match self.first {
            None => self.first = Some(event),
            Some(_) => self.more.push_back(event),
        }
    }

    fn pop(&mut self) -> Option<CallEvent> {
        let event = self.first.take();
        self.first = self.more.pop_front();
        if self.first.is_none() {
            self.more = VecDeque::new();
        }
        event
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let reader = {
            let mut state = self.lock();
            change(&mut state);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Where events go in.
pub(super) struct EventSender(Arc<Shared>);

impl EventSender {
    /// False if nobody listens, or has not for too long.
    pub(super) fn send(&self, event: CallEvent) -> bool {
        let mut told = false;
        self.0.change(|state| {
            told = !state.deaf && state.waiting.len() < WAITING;
            if told {
                state.waiting.push(event);
            }
        });
        told
    }

    /// The last word: there is room for it, however slow the reader is.
    pub(super) fn end(self, event: CallEvent) {
        self.0.change(|state| {
            if !state.deaf {
                state.waiting.push(event);
            }
        });
    }

    /// Nobody listens.
    pub(super) fn is_unheard(&self) -> bool {
        self.0.lock().deaf
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.0.change(|state| state.told = true);
    }
}

/// Where they come out.
pub(super) struct EventReceiver(Arc<Shared>);

impl EventReceiver {
    pub(super) fn try_recv(&mut self) -> Result<CallEvent, TryRecvError> {
        let mut state = self.0.lock();
        match state.waiting.pop() {
            Some(event) => Ok(event),
            None if state.told => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<CallEvent>> {
        // Whoever tells something in between finds the waker.
        self.0.lock().reader = Some(cx.waker().clone());
        match self.try_recv() {
            Ok(event) => Poll::Ready(Some(event)),
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
            Err(TryRecvError::Empty) => Poll::Pending,
        }
    }

    /// Waits on a thread outside the runtime.
    pub(super) fn blocking_recv(&mut self) -> Option<CallEvent> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match self.poll_recv(&mut context) {
                Poll::Ready(event) => return event,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Drop for EventReceiver {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.deaf = true;
        state.waiting = Waiting::default();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::endpoint::{End, EndCause, EndedBy};

    fn ended() -> CallEvent {
        let reason = "it is over".to_owned();
        CallEvent::Ended(End::new(EndedBy::Local, None, EndCause::HungUp, reason))
    }

    #[test]
    fn there_is_room_for_the_last_word_of_a_call_that_nobody_listens_to() {
        let (sender, mut receiver) = queue();
        while sender.send(CallEvent::NoInfo) {}
        sender.end(ended());
        for _ in 0..WAITING {
            assert_eq!(receiver.try_recv(), Ok(CallEvent::NoInfo));
        }
        assert_eq!(receiver.try_recv(), Ok(ended()));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }

    #[test]
    fn nothing_is_kept_for_who_is_gone() {
        let (sender, receiver) = queue();
        assert!(sender.send(CallEvent::NoInfo) && !sender.is_unheard());
        drop(receiver);
        assert!(sender.is_unheard() && !sender.send(CallEvent::NoInfo));
    }

    #[test]
    fn a_thread_outside_the_runtime_waits_for_events() {
        let (sender, mut receiver) = queue();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let waits = thread::spawn(move || (receiver.blocking_recv(), receiver.blocking_recv()));
        assert!(sender.send(CallEvent::NoInfo));
        drop(sender);
        assert_eq!(waits.join().unwrap(), (Some(CallEvent::NoInfo), None));
    }

    #[tokio::test]
    async fn a_task_that_waits_is_woken_by_what_is_told_and_by_the_end() {
        let (sender, mut receiver) = queue();
        let waits = tokio::spawn(async move {
            let mut heard = Vec::new();
            while let Some(event) = std::future::poll_fn(|cx| receiver.poll_recv(cx)).await {
                heard.push(event);
            }
            heard
        });
        tokio::task::yield_now().await;
        assert!(sender.send(CallEvent::NoInfo));
        tokio::task::yield_now().await;
        sender.end(ended());
        assert_eq!(waits.await.unwrap(), [CallEvent::NoInfo, ended()]);
    }
}
