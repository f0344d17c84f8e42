// SPDX-License-Identifier: MPL-2.0
//! What is due on a connection, and when.

use std::cmp::Reverse;
use std::time::Instant;

use super::{Action, Flows, PING, connect_within};
use crate::surplus::{Surplus, weed};
use crate::transport::FlowId;
use crate::transport::flow::Due;

impl Flows {
    /// When `handle_timeout` is due next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied() {
            if self
                .flows
                .get(&id)
                .is_some_and(|flow| flow.armed == Some(at))
            {
                return Some(at);
            }
            self.deadlines.pop();
        }
        None
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|at| at <= now) {
            let Some(Reverse((_, id))) = self.deadlines.pop() else {
                return;
            };
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.armed = None;
            }
            self.handle_due(now, id);
            self.arm(id);
        }
        self.flows.give_back();
        self.by_far.give_back();
        self.deadlines.give_back();
    }

    fn handle_due(&mut self, now: Instant, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        match flow.due(now) {
            None => {}
            Some(Due::NotConnected) => {
                let seconds = connect_within(flow.far.transport).as_secs();
                self.closed(id, &format!("no connection came about within {seconds} s"));
                self.actions.push_back(Action::Close { flow: id });
            }
            Some(Due::NoHandshake) => self.close(id, "its handshake did not come about in time"),
            Some(Due::Unreadable) => self.close(id, "nobody can tell where its message ends"),
            Some(Due::Stranger) => self.close(id, "nobody who may call was heard"),
            Some(Due::Stalled) => self.close(id, "the rest of a message did not come"),
            Some(Due::Dead) => {
                let far = flow.far;
                self.close(id, "it no longer answers keep-alives");
                self.actions.push_back(Action::Lost { far });
            }
            Some(Due::Ping) => {
                flow.pinged(now);
                flow.plan_ping(now, id);
                self.write(id, PING.into());
            }
            Some(Due::Idle) => {
                // It stays for as long again, unless the user closes it.
                flow.used_at = now;
                let arrival = flow.arrival(id);
                self.actions.push_back(Action::Idle { arrival });
            }
        }
    }

    pub(super) fn arm(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        let Some(next) = flow.poll_timeout() else {
            return;
        };
        // Each message moves a deadline on: to follow each time would fill the queue.
        if flow.armed.is_some_and(|armed| armed <= next) {
            return;
        }
        flow.armed = Some(next);
        self.deadlines.push(Reverse((next, id)));
        let flows = &self.flows;
        weed(&mut self.deadlines, flows.len(), |Reverse((at, id))| {
            flows.get(id).is_some_and(|flow| flow.armed == Some(*at))
        });
    }
}
