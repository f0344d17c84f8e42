// SPDX-License-Identifier: MPL-2.0
//! The user agent without its sockets: datagrams and instants in, datagrams and events out.
//!
//! Every method that may change something is followed by the same round: take what
//! [`poll_transmit`](Endpoint::poll_transmit) and [`poll_event`](Endpoint::poll_event) give until
//! they give nothing, then call [`handle_timeout`](Endpoint::handle_timeout) at
//! [`poll_timeout`](Endpoint::poll_timeout).

mod call;
mod early;
mod elsewhere;
mod event;
mod failover;
mod hangup;
mod incoming;
mod launch;
pub(crate) mod outbound;
mod outgoing;
mod paths;
mod prack;
mod provisional;
mod reason;
mod receive;
mod redirect;
mod refer;
mod referred;
mod refresh;
mod register;
mod registrations;
mod reinvite;
mod reliable;
mod reply;
mod responses;
mod screen;
mod send;
mod timers;
mod transfer;
mod unsent;
mod update;
mod watches;
mod within;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustc_hash::FxHashMap;

pub use call::CallId;
pub use event::{CallEvent, End, EndCause, EndedBy, Reason};
pub(crate) use incoming::RETRY_AFTER;
pub use outgoing::is_own_header;
pub use screen::{Limits, Screen, Verdict};
pub use transfer::{Transfer, TransferRequest, TransferTo};

use crate::dialog::{DialogId, DialogKey, SessionTimer};
use crate::digest::Credentials;
use crate::ladder::{Trace, Traces};
use crate::registrar::{self, Registrar};
use crate::registration::{RegistrationId, RegistrationState};
use crate::resolve::Down;
use crate::surplus::take;
use crate::transaction::{Packet, Table, Timers};
use crate::transport::{Arrival, FlowId, Hop, Proof, Transport};
use crate::watch::{WatchId, WatchState};
use crate::wire::{Host, NameAddr, Request, Uri};
use call::Call;
use paths::Paths;
use registrations::OwnRegistration;
use send::{ClientUse, ServerUse};
use watches::Watch;

/// What an endpoint is made of.
#[derive(Clone)]
pub struct EndpointConfig {
    /// The host that Contact and Via say; without it the local address of the call.
    pub advertise: Option<Host>,
    /// The User-Agent and Server headers.
    pub user_agent: String,
    /// The addresses that others reach us at, each with its transport.
    pub listeners: Vec<Hop>,
    pub screen: Screen,
    pub limits: Limits,
    pub timers: Timers,
    /// Of calls in, and of calls out that say nothing else.
    pub session_timer: SessionTimer,
    /// Whether early media is described in a reliable provisional response where the caller supports
    /// those (RFC 3262). Where it requires them all are reliable.
    pub reliable_early_media: bool,
    /// What REGISTER is answered with; 405 without.
    pub registrar: Option<registrar::Config>,
    /// The URN by which registrars know this user agent (RFC 5626 §4.1). Without it no connection is
    /// offered for calls in and out.
    pub instance: Option<String>,
    /// Makes tags, branches and Call-IDs repeatable. Only for tests: they must not be guessable.
    pub seed: Option<u64>,
}

/// A call to make.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub to: Uri,
    pub from: NameAddr,
    /// The proxies that the INVITE must pass, nearest first.
    pub route: Vec<NameAddr>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub offer: Option<Vec<u8>>,
    pub credentials: Option<Credentials>,
    pub ring_timeout: Duration,
    /// Without it the endpoint's.
    pub session_timer: Option<SessionTimer>,
    /// Whether 300 to 302 send the call on to whom they name (RFC 3261 §8.1.3.4), a few times at most.
    pub follow_redirects: bool,
    /// The Call-ID; [`Endpoint::new_sip_call_id`] makes one.
    pub sip_call_id: String,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// The open connection to take first.
    pub flow: Option<FlowId>,
    /// What another connection must prove.
    pub proof: Proof,
    pub packet: Packet,
}

impl Transmit {
    /// Whom it is for.
    pub fn far(&self) -> Hop {
        Hop {
            transport: self.transport,
            addr: self.remote,
            proof: self.proof,
        }
    }
}

/// What an endpoint tells its user.
#[derive(Debug, Clone)]
pub enum Event {
    /// An INVITE that passed the screen.
    Incoming {
        id: CallId,
        request: Arc<Request>,
        arrival: Arrival,
        /// Whom the screen found it to be of: see [`Verdict::AllowUser`].
        user: Option<String>,
        /// Accepted, it takes the place of this call, which ends (RFC 3891). Only one that
        /// [`permit_transfers`](Endpoint::permit_transfers) lets others take the place of.
        replaces: Option<CallId>,
    },
    /// News of a registration of ours. It begins as [`RegistrationState::Registering`], which is
    /// not told.
    Registration {
        id: RegistrationId,
        state: RegistrationState,
    },
    /// Somebody is to find out where the registrar is and to call [`Endpoint::located`].
    Locate {
        id: RegistrationId,
    },
    /// Servers that are watched stand otherwise than before. All of them are unknown at first, which is
    /// not told.
    Watched {
        id: WatchId,
        state: WatchState,
    },
    /// Somebody is to find out where the servers of a watch are and to call
    /// [`Endpoint::watched_located`].
    LocateWatched {
        id: WatchId,
    },
    /// The call was sent on: somebody is to find out where this is and to call
    /// [`Endpoint::target_located`].
    LocateTarget {
        id: CallId,
        uri: Uri,
    },
    /// A connection that a registrar sends calls down: a keep-alive is to go over it this often, and
    /// one that is not answered is the end of it (RFC 5626 §4.4.1).
    KeepAlive {
        flow: FlowId,
        every: Duration,
    },
    /// A server within a call is down, and the next hop of its dialog is a name: somebody is to find
    /// out which servers that has and to call [`Endpoint::hop_located`].
    LocateHop {
        id: CallId,
        uri: Uri,
    },
    /// A milestone that a call passed, for its timeline.
    Milestone {
        id: CallId,
        milestone: Milestone,
        at: Instant,
    },
    Call {
        id: CallId,
        event: CallEvent,
    },
}

/// A point on the way of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Milestone {
    Invite,
    Ringing,
    Answered,
    Confirmed,
}

/// What an endpoint holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointStats {
    pub calls: usize,
    pub dialogs: usize,
    pub client_transactions: usize,
    pub server_transactions: usize,
    pub garbage: u64,
    pub silenced: u64,
}

/// A SIP user agent, sans-IO.
pub struct Endpoint {
    config: EndpointConfig,
    rng: StdRng,
    /// Makes the To tags of stateless answers unguessable, and the same for each retransmission.
    tag_secret: [u8; 16],
    table: Table<ClientUse, ServerUse>,
    paths: Paths,
    down: Down,
    calls: FxHashMap<CallId, Box<Call>>,
    dialogs: FxHashMap<DialogKey, CallId>,
    registrations: BTreeMap<RegistrationId, OwnRegistration>,
    watches: BTreeMap<WatchId, Watch>,
    registrar: Option<Registrar>,
    /// May hold deadlines that were since moved; `Call::armed` tells which one counts.
    deadlines: BinaryHeap<Reverse<(Instant, CallId)>>,
    /// Calls whose deadline may have changed.
    touched: Vec<CallId>,
    transmits: VecDeque<Transmit>,
    /// How many of them, the last ones, no trace knows yet.
    untraced: usize,
    traces: Traces,
    events: VecDeque<Event>,
    garbage: u64,
    silenced: u64,
}

impl Endpoint {
    pub fn new(config: EndpointConfig) -> Endpoint {
        let mut rng: StdRng = match config.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => rand::make_rng(),
        };
        let mut tag_secret = [0; 16];
        rng.fill_bytes(&mut tag_secret);
        let registrar = config.registrar.map(Registrar::new);
        Endpoint {
            table: Table::new(config.timers),
            paths: Paths::new(config.listeners.clone()),
            down: Down::default(),
            config,
            rng,
            tag_secret,
            calls: FxHashMap::default(),
            dialogs: FxHashMap::default(),
            registrations: BTreeMap::new(),
            watches: BTreeMap::new(),
            registrar,
            deadlines: BinaryHeap::new(),
            touched: Vec::new(),
            transmits: VecDeque::new(),
            untraced: 0,
            traces: Traces::default(),
            events: VecDeque::new(),
            garbage: 0,
            silenced: 0,
        }
    }

    pub fn stats(&self) -> EndpointStats {
        EndpointStats {
            calls: self.calls.len(),
            dialogs: self.dialogs.len(),
            client_transactions: self.table.client_count(),
            server_transactions: self.table.server_count(),
            garbage: self.garbage,
            silenced: self.silenced,
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = take(&mut self.transmits);
        self.untraced = self.untraced.min(self.transmits.len());
        transmit
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        take(&mut self.events)
    }

    /// No call is left, not even one that is only waiting for the answer to its BYE, and no
    /// registration.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.registrations.is_empty()
    }

    /// The calls that have not ended.
    pub fn live_calls(&self) -> Vec<CallId> {
        self.calls
            .iter()
            .filter(|(_, call)| !call.ended)
            .map(|(id, _)| *id)
            .collect()
    }

    /// The messages of a call, also those that pass after its end.
    pub fn trace(&self, id: CallId) -> Option<Arc<Trace>> {
        self.calls.get(&id).map(|call| call.trace.clone())
    }

    /// A Call-ID that nobody can guess.
    pub fn new_sip_call_id(&mut self) -> String {
        self.token(20)
    }

    /// A random token of so many letters and digits: 5 bits each.
    fn token(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        (0..length)
            .map(|_| ALPHABET[(self.rng.next_u32() >> 27) as usize] as char)
            .collect()
    }

    fn random_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// A duration between the two, for RFC 3261's random intervals.
    fn random_between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from);
        // Tens of milliseconds are what §14.1 asks for; thousandths of the span are finer.
        from + span * (self.rng.next_u32() % 1000) / 1000
    }

    fn tell(&mut self, id: CallId, event: CallEvent) {
        if self.calls.get(&id).is_some_and(|call| !call.ended) {
            self.events.push_back(Event::Call { id, event });
        }
    }

    fn passed(&mut self, at: Instant, id: CallId, milestone: Milestone) {
        self.events
            .push_back(Event::Milestone { id, milestone, at });
    }

    /// Tells the end, once.
    fn end(
        &mut self,
        id: CallId,
        by: EndedBy,
        status: Option<u16>,
        cause: EndCause,
        reason: String,
    ) {
        let mut end = End::new(by, status, cause, reason);
        if let Some(call) = self.calls.get_mut(&id) {
            let said = std::mem::take(&mut call.said);
            end.reasons = said.reasons;
            end.retry_after = said.retry_after;
        }
        self.tell(id, CallEvent::Ended(end));
        if let Some(call) = self.calls.get_mut(&id) {
            call.ended = true;
        }
    }

    /// Forgets a call that has ended.
    fn forget(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        for dialog in &call.dialogs {
            self.dialogs.remove(dialog);
        }
    }

    /// No request of that dialog finds this call any more.
    fn unindex(&mut self, id: CallId, dialog_id: &DialogId) {
        if let Some(call) = self.calls.get_mut(&id) {
            let dialog = dialog_id.key();
            call.dialogs.retain(|known| *known != dialog);
            self.dialogs.remove(&dialog);
        }
    }

    /// Makes a dialog findable.
    fn index(&mut self, id: CallId, dialog: DialogKey) {
        if let Some(call) = self.calls.get_mut(&id)
            && !call.dialogs.contains(&dialog)
        {
            call.dialogs.push(dialog);
            self.dialogs.insert(dialog, id);
        }
    }
}
