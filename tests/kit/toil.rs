// SPDX-License-Identifier: MPL-2.0
//! Work for a media thread of this process, which nobody else notices: it is busy and the machine is not.

use gstsipbridge::context::{Context, Cx, Task, TaskHandle};
use std::time::Duration;

const ROUND: Duration = Duration::from_millis(20);

/// Keeps its thread from others, for this share of each round.
struct Toil(f64);

impl Toil {
    fn toil(&self, cx: &mut Cx<'_>) {
        // To its context a task that sleeps is one that works.
        std::thread::sleep(ROUND.mul_f64(self.0));
        cx.set_timer(cx.now() + ROUND);
    }
}

impl Task for Toil {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.toil(cx);
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        self.toil(cx);
    }
}

/// Keeps a media thread busy for this share of its time, until what is returned is dropped.
pub fn keep_busy(context: &Context, share: f64) -> TaskHandle {
    context.add(Box::new(Toil(share)))
}
