// SPDX-License-Identifier: MPL-2.0
//! What is asked of the element and what is told by it, one thing after the other (RFC 8829 section
//! 3.1 calls it the operations chain), on a thread of GStreamer's pool and never on a media thread.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use gst::prelude::*;

use super::RtcBin;

type Operation = Box<dyn FnOnce(&RtcBin) + Send>;

#[derive(Default)]
pub(super) struct Operations {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Operation>,
    under_way: bool,
}

impl Operations {
    /// Does it when all that was asked before is done.
    pub(super) fn push(&self, element: &RtcBin, operation: impl FnOnce(&RtcBin) + Send + 'static) {
        let begins = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.push_back(Box::new(operation));
            !std::mem::replace(&mut queue.under_way, true)
        };
        if begins {
            element.call_async(|element| element.operations().work(element));
        }
    }

    fn work(&self, element: &RtcBin) {
        loop {
            let next = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let next = queue.waiting.pop_front();
                queue.under_way = next.is_some();
                next
            };
            match next {
                Some(operation) => operation(element),
                None => return,
            }
        }
    }
}
