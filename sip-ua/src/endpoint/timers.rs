// SPDX-License-Identifier: MPL-2.0
//! Time: one queue for the calls beside that of the transactions.

use std::cmp::Reverse;
use std::time::Instant;

use super::Endpoint;
use super::call::{CallId, Cancel, OurReoffer, Phase, ReofferState};
use super::send::ClientKind;
use crate::registrar::Registrar;
use crate::surplus::{Surplus, weed};
use crate::transaction::Effect;

impl Endpoint {
    /// When `handle_timeout` is due next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let calls = self.next_deadline();
        let registrar = self.registrar.as_ref().and_then(Registrar::poll_timeout);
        let deadlines = [
            calls,
            self.table.poll_timeout(),
            self.next_registration(),
            self.next_watch(),
            registrar,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.table.handle_timeout(now);
        self.settle(now);
        self.run_registrations(now);
        self.run_watches(now);
        if let Some(registrar) = &mut self.registrar {
            registrar.handle_timeout(now);
        }
        while self.next_deadline().is_some_and(|at| at <= now) {
            let Some(Reverse((_, id))) = self.deadlines.pop() else {
                return;
            };
            if let Some(call) = self.calls.get_mut(&id) {
                call.armed = None;
            }
            self.handle_call_timeout(now, id);
            self.settle_call(now, id);
        }
        self.traces.tidy(now);
        self.calls.give_back();
        self.dialogs.give_back();
        self.deadlines.give_back();
        let calls = &self.calls;
        weed(&mut self.deadlines, calls.len(), |Reverse((at, id))| {
            calls.get(id).is_some_and(|call| call.armed == Some(*at))
        });
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied() {
            if self
                .calls
                .get(&id)
                .is_some_and(|call| call.armed == Some(at))
            {
                return Some(at);
            }
            self.deadlines.pop();
        }
        None
    }

    fn handle_call_timeout(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let Some(waiting) = &mut call.unacknowledged {
            if waiting.give_up_at <= now {
                let seconds = self.table.timers().give_up().as_secs();
                let remote = call.path.remote;
                call.unacknowledged = None;
                let reason = format!("{remote} did not acknowledge our answer within {seconds} s");
                return self.lose(now, id, 408, reason);
            }
            if waiting.resend_at <= now {
                waiting.interval = (waiting.interval * 2).min(self.table.timers().t2);
                waiting.resend_at = now + waiting.interval;
                let (server, packet) = (waiting.server, waiting.packet.clone());
                return self.table.respond(now, server, 200, packet);
            }
        }
        if let Some(their) = &call.their_reoffer
            && their.give_up_at.is_some_and(|at| at <= now)
        {
            return self.their_offer_expired(now, id);
        }
        if let Some(OurReoffer {
            state: ReofferState::RetryAt(at),
            ..
        }) = &call.our_reoffer
            && *at <= now
        {
            return self.reoffer_again(now, id);
        }
        if self.reliable_due(now, id) || self.transfer_due(now, id) {
            return;
        }
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        match &call.phase {
            Phase::Incoming(incoming) if incoming.repeat_at.is_some_and(|at| at <= now) => {
                self.ring_again(now, id);
            }
            Phase::Outgoing(outgoing) => match outgoing.cancel {
                Cancel::Sent { give_up_at } if give_up_at <= now => {
                    let client = outgoing.client;
                    self.table.give_up(client);
                }
                Cancel::No if outgoing.ring_until.is_some_and(|at| at <= now) => {
                    self.stop_ringing(now, id);
                }
                Cancel::No if outgoing.servers.hurry_at.is_some_and(|at| at <= now) => {
                    self.pass_over(now, id);
                }
                _ => {}
            },
            _ => self.session_due(now, id),
        }
    }

    /// Carries out what the transactions want.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(effect) = self.table.poll_effect() {
            match effect {
                Effect::Transmit { path, packet } => self.transmit(path, packet),
                Effect::TimedOut(user) => match (user.kind, user.call) {
                    (ClientKind::Register(id), _) => self.registration_unanswered(now, id),
                    (ClientKind::Watch(id), _) => {
                        let why = format!("{} does not answer our OPTIONS", user.path.remote);
                        self.watched_is_silent(now, id, user.path, why);
                    }
                    (_, Some(id)) => self.handle_timed_out(now, id, user),
                    (_, None) => {}
                },
                Effect::NeverAcknowledged(_)
                | Effect::ClientTerminated(_)
                | Effect::ServerTerminated(_) => {}
            }
        }
        while let Some(id) = self.touched.pop() {
            self.arm(id);
        }
        let known = self.transmits.len() - self.untraced;
        for transmit in self.transmits.range(known..) {
            let (local, remote) = (transmit.local, transmit.remote);
            self.traces.sent(now, local, remote, &transmit.packet);
        }
        self.untraced = 0;
    }

    /// [`settle`](Self::settle) after something happened to this call.
    pub(super) fn settle_call(&mut self, now: Instant, id: CallId) {
        self.touched.push(id);
        self.settle(now);
    }

    fn arm(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let next = call.poll_timeout();
        if call.armed != next {
            call.armed = next;
            self.deadlines.extend(next.map(|at| Reverse((at, id))));
        }
    }
}
