// SPDX-License-Identifier: MPL-2.0
//! All connections of a user agent, sans-IO: which message goes over which, what they hold, when
//! one is opened, kept alive and closed (RFC 3261 §18, RFC 5626 §4.4.1).
//!
//! Messages of one's own go in with [`send`](Flows::send); what happens to sockets is told by
//! [`accepted`](Flows::accepted), [`connected`](Flows::connected), [`received`](Flows::received),
//! [`written`](Flows::written) and [`closed`](Flows::closed); what is to be done comes out of
//! [`poll_action`](Flows::poll_action).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::flow::{Due, Flow, State};
use super::strangers::Strangers;
use super::{Arrival, FlowId, Frame, Hop, Proof, Transport};
use crate::endpoint::Transmit;
use crate::guard::Source;
use crate::surplus::{Surplus, take, weed};
use crate::transaction::Packet;

/// How long a far end may take to accept a connection: three attempts of TCP's own.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long the handshake may take besides, where there is one; theirs and ours.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Messages that wait for a connection to be made.
const WAITING: usize = 256;
/// Messages in a row that cannot be read before whoever sends them is done with.
const FAULTS: u8 = 16;

const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// What bounds the memory that connections take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// Connections at once.
    pub flows: usize,
    /// Of these, ones that others opened and that were not given a word yet. One more takes the place of
    /// the oldest one from where the most are.
    pub strangers: usize,
    /// Of these, ones whose handshake is not done. One more takes the place of the oldest: an honest
    /// one is done long before its turn to go comes.
    pub handshakes: usize,
    /// Octets of messages that are not there whole, over all connections.
    pub buffered: usize,
    /// Octets that one far end may leave unread before its connection is given up.
    pub unwritten: usize,
}

impl Default for FlowLimits {
    fn default() -> Self {
        FlowLimits {
            flows: 8192,
            // Those of two seconds at 2,000 a second, where callers connect faster than they speak.
            strangers: 4096,
            handshakes: 64,
            buffered: 32 << 20,
            unwritten: 1 << 20,
        }
    }
}

impl FlowLimits {
    /// Those that leave a process which may hold this many descriptors enough for all else.
    pub fn within(descriptors: usize) -> FlowLimits {
        let most = FlowLimits::default();
        FlowLimits {
            flows: most.flows.min(descriptors / 4 * 3),
            strangers: most.strangers.min(descriptors / 2),
            ..most
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a connection, from the address of `local` if that is a certain one.
    Connect {
        flow: FlowId,
        local: SocketAddr,
        far: Hop,
    },
    Write {
        flow: FlowId,
        packet: Packet,
    },
    /// Write what is left, then close. Nothing more is to be told of this flow.
    Close {
        flow: FlowId,
    },
    /// A message arrived, or what should be one.
    Message {
        arrival: Arrival,
        message: Bytes,
    },
    /// This could not be sent.
    Unsent {
        transmit: Transmit,
        reason: String,
    },
    /// Nothing was said here for long: [`close`](Flows::close) it, unless it is needed.
    Idle {
        arrival: Arrival,
    },
    /// A connection with this far end broke: what went over it last may not have arrived.
    Lost {
        far: Hop,
    },
}

/// The connections of a user agent.
pub struct Flows {
    limits: FlowLimits,
    next: u64,
    flows: HashMap<FlowId, Box<Flow>>,
    /// The newest connection with each far end.
    by_far: HashMap<Hop, FlowId>,
    strangers: Strangers,
    handshakes: usize,
    buffered: usize,
    /// May hold deadlines that were since dropped or moved to an earlier time; `Flow::armed` tells which
    /// one counts. One that was moved to a later time stays as it is until it comes.
    deadlines: BinaryHeap<Reverse<(Instant, FlowId)>>,
    actions: VecDeque<Action>,
}

impl Flows {
    pub fn new(limits: FlowLimits) -> Flows {
        Flows {
            limits,
            next: 0,
            flows: HashMap::new(),
            by_far: HashMap::new(),
            strangers: Strangers::default(),
            handshakes: 0,
            buffered: 0,
            deadlines: BinaryHeap::new(),
            actions: VecDeque::new(),
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    pub fn poll_action(&mut self) -> Option<Action> {
        take(&mut self.actions)
    }

    /// Sends a message over the connection it names, else over one with the same far end, else over
    /// a new one.
    pub fn send(&mut self, now: Instant, transmit: Transmit) {
        let named = transmit.flow.filter(|id| self.flows.contains_key(id));
        let found = named.or_else(|| self.by_far.get(&transmit.far()).copied());
        let Some(id) = found else {
            return self.connect(now, transmit);
        };
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        if !flow.trusted {
            flow.trusted = true;
            self.strangers.remove(Source::of(flow.far.addr.ip()), id);
        }
        flow.used_at = now;
        match &mut flow.state {
            State::Connecting { waiting, .. } if waiting.len() < WAITING => waiting.push(transmit),
            State::Connecting { .. } => self.unsent(transmit, "too much waits for the connection"),
            State::Accepting { .. } => self.unsent(transmit, "its handshake is not done"),
            State::Open => {
                let unheard = flow.ours && flow.far.transport.is_secure();
                if unheard && flow.silent && flow.unheard.len() < WAITING {
                    flow.unheard.push(transmit.clone());
                }
                self.write(id, transmit.packet);
            }
        }
        self.arm(id);
    }

    fn connect(&mut self, now: Instant, transmit: Transmit) {
        if self.flows.len() >= self.limits.flows && !self.evict() {
            return self.unsent(transmit, "this side has too many connections");
        }
        let (local, far) = (transmit.local, transmit.far());
        if far.proof == Proof::Connected || far.transport.is_websocket() {
            return self.unsent(
                transmit,
                "its connection is closed, and it has to open another",
            );
        }
        let state = State::Connecting {
            until: now + connect_within(far.transport),
            waiting: vec![transmit],
        };
        let id = self.insert(Flow::new(now, local, far, state));
        self.actions.push_back(Action::Connect {
            flow: id,
            local,
            far,
        });
    }

    fn unsent(&mut self, transmit: Transmit, why: &str) {
        let hop = transmit.far();
        let reason = format!("{hop} cannot be reached: {why}");
        self.actions.push_back(Action::Unsent { transmit, reason });
    }

    /// Somebody connected to us, at the address `local`. `None`: there is no room, close it. Where
    /// the transport has a handshake, [`connected`](Self::connected) tells that it is done.
    pub fn accepted(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<FlowId> {
        let full = self.flows.len() >= self.limits.flows;
        if (full || self.strangers.len() >= self.limits.strangers) && !self.evict() {
            return None;
        }
        let arrival = Arrival {
            transport,
            local,
            source: remote,
            flow: None,
        };
        let mut state = State::Open;
        if transport.has_handshake() {
            if self.handshakes >= self.limits.handshakes {
                self.evict_handshake();
            }
            self.handshakes += 1;
            let until = now + HANDSHAKE_WITHIN;
            state = State::Accepting { until };
        }
        let id = self.insert(Flow::new(now, local, arrival.hop(), state));
        self.strangers.insert(Source::of(remote.ip()), id);
        Some(id)
    }

    /// Closes the connection that has been at its handshake for the longest time.
    fn evict_handshake(&mut self) {
        let at_handshake = |flow: &Flow| match flow.state {
            State::Accepting { until } => Some(until),
            _ => None,
        };
        let flows = self.flows.iter();
        let oldest = flows
            .filter_map(|(id, flow)| Some((at_handshake(flow)?, *id)))
            .min();
        if let Some((_, id)) = oldest {
            self.close(id, "its handshake took too long, and others wait");
        }
    }

    /// Closes a stranger, to make room for one more.
    fn evict(&mut self) -> bool {
        let first = self.strangers.first_to_go();
        if let Some(id) = first {
            self.close(id, "its place was needed");
        }
        first.is_some()
    }

    fn insert(&mut self, flow: Flow) -> FlowId {
        self.next += 1;
        let id = FlowId(self.next);
        self.by_far.insert(flow.far, id);
        self.flows.insert(id, Box::new(flow));
        self.arm(id);
        id
    }

    /// A connection of ours is there, or the handshake of one of theirs is done.
    pub fn connected(&mut self, now: Instant, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut flow.state, State::Open);
        match before {
            State::Connecting { waiting, .. } => {
                flow.plan_ping(now, id);
                if flow.far.transport.is_secure() {
                    flow.unheard.clone_from(&waiting);
                }
                for transmit in waiting {
                    self.write(id, transmit.packet);
                }
            }
            State::Accepting { .. } => {
                self.handshakes -= 1;
                flow.used_at = now;
            }
            State::Open => {}
        }
        self.arm(id);
    }

    /// A keep-alive is to go over this connection that often, and one that is not answered is its end
    /// (RFC 5626 §4.4.1).
    pub fn keep_alive(&mut self, now: Instant, id: FlowId, every: Duration) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.keep_alive(now, id, every);
            self.arm(id);
        }
    }

    /// So many octets went out.
    pub fn written(&mut self, id: FlowId, octets: usize) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.unwritten = flow.unwritten.saturating_sub(octets);
        }
    }

    fn write(&mut self, id: FlowId, packet: Packet) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        flow.unwritten += packet.len();
        if flow.unwritten > self.limits.unwritten {
            return self.close(id, "the far end does not read what it is sent");
        }
        self.actions.push_back(Action::Write { flow: id, packet });
    }

    /// Octets arrived.
    pub fn received(&mut self, now: Instant, id: FlowId, octets: &[u8]) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        if flow.far.transport.is_websocket() {
            return self.received_whole(now, id, octets);
        }
        self.buffered -= flow.framer.buffered();
        flow.framer.push(octets);
        let mut pong = false;
        let mut whole = false;
        while let Some(frame) = flow.framer.poll_frame() {
            let arrival = flow.arrival(id);
            whole = true;
            match frame {
                Frame::Message(message) => {
                    flow.used_at = now;
                    let message = message.into();
                    self.actions.push_back(Action::Message { arrival, message });
                }
                // Strangers are not told that somebody is here.
                Frame::Ping => pong |= flow.trusted,
                Frame::Endless { message, why } => {
                    tracing::debug!(remote = %flow.far.addr, %why, "a stream cannot be read on");
                    let message = message.into();
                    self.actions.push_back(Action::Message { arrival, message });
                    // Its answer goes out before the next timer.
                    flow.ended_at = Some(now);
                }
            }
        }
        flow.heard(now);
        let buffered = flow.framer.buffered();
        self.buffered += buffered;
        flow.partial_since = match buffered {
            0 => None,
            _ if whole => Some(now),
            _ => flow.partial_since.or(Some(now)),
        };
        if pong {
            self.write(id, PONG.into());
        }
        if self.buffered > self.limits.buffered {
            return self.close(id, "it holds too much of a message that is not whole");
        }
        self.arm(id);
    }

    /// A whole message of a WebSocket: one of ours, or a keep-alive (RFC 7118 §5 and §6).
    fn received_whole(&mut self, now: Instant, id: FlowId, octets: &[u8]) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        flow.heard(now);
        let (arrival, trusted) = (flow.arrival(id), flow.trusted);
        if octets.iter().all(|octet| b"\r\n".contains(octet)) {
            if octets == PING && trusted {
                self.write(id, PONG.into());
            }
        } else {
            let message = Bytes::copy_from_slice(octets);
            self.actions.push_back(Action::Message { arrival, message });
        }
        self.arm(id);
    }

    /// Whether a message that came over this could be read. Who sends nothing that can is dropped.
    pub fn judged(&mut self, id: FlowId, readable: bool) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        flow.faults = match readable {
            true => 0,
            false => flow.faults + 1,
        };
        if flow.faults >= FAULTS {
            self.close(id, "it sends nothing that can be read");
        }
    }

    /// A connection could not be made, or was closed by the far end or the network.
    pub fn closed(&mut self, id: FlowId, why: &str) {
        let Some(flow) = self.remove(id, why) else {
            return;
        };
        match flow.state {
            State::Connecting { waiting, .. } => {
                for transmit in waiting {
                    self.unsent(transmit, why);
                }
            }
            State::Open if !flow.unheard.is_empty() => {
                for transmit in flow.unheard {
                    self.unsent(transmit, why);
                }
            }
            State::Open if flow.trusted => {
                self.actions.push_back(Action::Lost { far: flow.far });
            }
            State::Open | State::Accepting { .. } => {}
        }
    }

    /// Closes a connection from this side.
    pub fn close(&mut self, id: FlowId, why: &str) {
        if self.remove(id, why).is_some() {
            self.actions.push_back(Action::Close { flow: id });
        }
    }

    fn remove(&mut self, id: FlowId, why: &str) -> Option<Box<Flow>> {
        let flow = self.flows.remove(&id)?;
        if self.by_far.get(&flow.far) == Some(&id) {
            self.by_far.remove(&flow.far);
        }
        self.handshakes -= usize::from(matches!(flow.state, State::Accepting { .. }));
        if !flow.trusted {
            self.strangers.remove(Source::of(flow.far.addr.ip()), id);
        }
        self.buffered -= flow.framer.buffered();
        tracing::debug!(remote = %flow.far.addr, why, "a connection is closed");
        Some(flow)
    }

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

    fn arm(&mut self, id: FlowId) {
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

/// How long a far end may take until messages can be sent to it.
fn connect_within(transport: Transport) -> Duration {
    match transport.is_secure() {
        true => CONNECT_WITHIN + HANDSHAKE_WITHIN,
        false => CONNECT_WITHIN,
    }
}
