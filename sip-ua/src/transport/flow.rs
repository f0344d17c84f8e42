// SPDX-License-Identifier: MPL-2.0
//! What is remembered of one connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Arrival, FlowId, Framer, Hop};
use crate::endpoint::Transmit;

/// How long a stranger may stay to whom nothing was said. As long as a transaction lives, for by
/// then everybody who may call has had an answer.
const STRANGER_STAYS: Duration = Duration::from_secs(32);
/// How long the rest of a message may take.
const MESSAGE_TAKES: Duration = Duration::from_secs(32);
/// How long a connection that nobody needs stays open after its last message.
const IDLE: Duration = Duration::from_secs(600);
/// Between keep-alives, less up to a fifth (RFC 5626 §4.4.1).
const PING_EVERY: Duration = Duration::from_secs(120);
/// Nobody is pinged more often, whatever they ask for.
const PING_AT_MOST_EVERY: Duration = Duration::from_secs(5);
/// How long the answer to a keep-alive may take (RFC 5626 §4.4.1).
const PONG_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Flow {
    /// The address of our listener that the far end knows us by.
    pub(super) local: SocketAddr,
    /// With what it had to prove, where we opened it.
    pub(super) far: Hop,
    pub(super) state: State,
    /// We opened it.
    pub(super) ours: bool,
    /// We had something to say to it. Whoever may not call is never given a word.
    pub(super) trusted: bool,
    pub(super) framer: Framer,
    /// When the message began that is not whole yet.
    pub(super) partial_since: Option<Instant>,
    /// The last message either way; where they opened it, also the last octet of theirs.
    pub(super) used_at: Instant,
    /// Nobody can tell any more where its messages end.
    pub(super) ended_at: Option<Instant>,
    ping_every: Duration,
    ping_at: Option<Instant>,
    pong_until: Option<Instant>,
    /// It has answered a keep-alive before, or promised to: no answer means that nobody is there.
    answers_pings: bool,
    /// Messages in a row that could not be read.
    pub(super) faults: u8,
    /// What was sent before the far end said anything. A handshake of TLS 1.3 that is done on our
    /// side may still be refused on theirs.
    pub(super) unheard: Vec<Transmit>,
    /// The far end has said nothing yet.
    pub(super) silent: bool,
    /// Octets handed to the socket's keeper and not yet written.
    pub(super) unwritten: usize,
    /// The deadline that is in the queue.
    pub(super) armed: Option<Instant>,
}

pub(super) enum State {
    Connecting {
        until: Instant,
        waiting: Vec<Transmit>,
    },
    /// They opened it and have not proved yet that they speak its transport.
    Accepting {
        until: Instant,
    },
    Open,
}

/// What a flow is due for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    NotConnected,
    NoHandshake,
    Unreadable,
    Stranger,
    Stalled,
    Dead,
    Ping,
    Idle,
}

impl Flow {
    pub(super) fn new(now: Instant, local: SocketAddr, far: Hop, state: State) -> Flow {
        let ours = matches!(state, State::Connecting { .. });
        Flow {
            local,
            far,
            state,
            ours,
            trusted: ours,
            framer: Framer::default(),
            partial_since: None,
            used_at: now,
            ended_at: None,
            ping_every: PING_EVERY,
            ping_at: None,
            pong_until: None,
            answers_pings: false,
            faults: 0,
            unheard: Vec::new(),
            silent: true,
            unwritten: 0,
            armed: None,
        }
    }

    pub(super) fn arrival(&self, id: FlowId) -> Arrival {
        Arrival {
            transport: self.far.transport,
            local: self.local,
            source: self.far.addr,
            flow: Some(id),
        }
    }

    /// Anything at all arrived.
    pub(super) fn heard(&mut self, now: Instant) {
        self.unheard = Vec::new();
        self.silent = false;
        if self.pong_until.take().is_some() {
            // Whatever it was, somebody is there.
            self.answers_pings |= self.framer.pong_came();
        }
        if !self.ours {
            // Their keep-alives say that they want it open.
            self.used_at = now;
        }
    }

    /// The next keep-alive. The number of the flow spreads them.
    pub(super) fn plan_ping(&mut self, now: Instant, id: FlowId) {
        let earliest = self.ping_every * 4 / 5;
        let spread = self.ping_every - earliest;
        self.ping_at = Some(now + earliest + spread * ((id.0 * 37 % 100) as u32) / 100);
    }

    /// The far end promised to answer keep-alives, and wants one this often.
    pub(super) fn keep_alive(&mut self, now: Instant, id: FlowId, every: Duration) {
        self.answers_pings = true;
        let every = every.max(PING_AT_MOST_EVERY);
        if self.ping_every != every || self.ping_at.is_none() {
            self.ping_every = every;
            self.plan_ping(now, id);
        }
    }

    pub(super) fn pinged(&mut self, now: Instant) {
        self.framer.expect_pong();
        self.pong_until.get_or_insert(now + PONG_WITHIN);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines()
            .into_iter()
            .flatten()
            .map(|(at, _)| at)
            .min()
    }

    /// What is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let due = self
            .deadlines()
            .into_iter()
            .flatten()
            .filter(|(at, _)| *at <= now)
            .min_by_key(|(at, _)| *at)
            .map(|(_, due)| due)?;
        if due == Due::Dead && !self.answers_pings {
            // It never does: that says nothing.
            self.pong_until = None;
            return self.due(now);
        }
        Some(due)
    }

    fn deadlines(&self) -> [Option<(Instant, Due)>; 5] {
        let early = match self.state {
            State::Connecting { until, .. } => Some((until, Due::NotConnected)),
            State::Accepting { until } => Some((until, Due::NoHandshake)),
            State::Open => None,
        };
        if early.is_some() {
            return [early, None, None, None, None];
        }
        let quiet = match self.trusted {
            true => (self.used_at + IDLE, Due::Idle),
            false => (self.used_at + STRANGER_STAYS, Due::Stranger),
        };
        let stalled = self.partial_since.map(|since| since + MESSAGE_TAKES);
        [
            Some(quiet),
            stalled.map(|at| (at, Due::Stalled)),
            self.pong_until.map(|at| (at, Due::Dead)),
            self.ping_at.map(|at| (at, Due::Ping)),
            self.ended_at.map(|at| (at, Due::Unreadable)),
        ]
    }
}
