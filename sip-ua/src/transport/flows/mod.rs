// SPDX-License-Identifier: MPL-2.0
//! All connections of a user agent, sans-IO: which message goes over which, what they hold, when
//! one is opened, kept alive and closed (RFC 3261 §18, RFC 5626 §4.4.1).
//!
//! Messages of one's own go in with [`send`](Flows::send); what happens to sockets is told by
//! [`accepted`](Flows::accepted), [`connected`](Flows::connected), [`received`](Flows::received),
//! [`written`](Flows::written) and [`closed`](Flows::closed); what is to be done comes out of
//! [`poll_action`](Flows::poll_action).

mod limits;
mod reading;
mod timers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::flow::{Flow, State};
use super::strangers::Strangers;
use super::{Arrival, FlowId, Hop, Proof, Transport};
use crate::endpoint::Transmit;
use crate::guard::Source;
use crate::surplus::take;
use crate::transaction::Packet;

pub use limits::FlowLimits;

/// How long a far end may take to accept a connection: three attempts of TCP's own.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long the handshake may take besides, where there is one; theirs and ours.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Messages that wait for a connection to be made.
const WAITING: usize = 256;

const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

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
    flows: FxHashMap<FlowId, Box<Flow>>,
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
            flows: FxHashMap::default(),
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
}

/// How long a far end may take until messages can be sent to it.
fn connect_within(transport: Transport) -> Duration {
    match transport.is_secure() {
        true => CONNECT_WITHIN + HANDSHAKE_WITHIN,
        false => CONNECT_WITHIN,
    }
}
