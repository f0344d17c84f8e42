// SPDX-License-Identifier: MPL-2.0
//! All transactions of a user agent: found by key, driven by one queue of deadlines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::{
    ClientInvite, ClientKey, ClientNonInvite, MergeKey, Output, Outputs, Packet, ServerInvite,
    ServerKey, ServerNonInvite, Timers,
};
use crate::surplus::{Surplus, take};
use crate::transport::{FlowId, Hop, Proof, Transport};

/// A client transaction of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u64);

/// A server transaction of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(u64);

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Client(ClientId),
    Server(ServerId),
}

/// Where the messages of a transaction go: from this address of ours to this peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    pub transport: Transport,
    pub local: SocketAddr,
    /// Over a connection: what to connect to if there is none.
    pub remote: SocketAddr,
    /// The open connection to take first.
    pub flow: Option<FlowId>,
    /// What another connection must prove.
    pub proof: Proof,
}

/// The only one there is.
impl From<Path> for Vec<Path> {
    fn from(path: Path) -> Vec<Path> {
        vec![path]
    }
}

impl Path {
    /// Datagrams from `local` to `remote`.
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Path {
        Path {
            transport: Transport::Udp,
            local,
            remote,
            flow: None,
            proof: Proof::Address,
        }
    }

    /// Whom it leads to.
    pub fn hop(&self) -> Hop {
        Hop {
            transport: self.transport,
            addr: self.remote,
            proof: self.proof,
        }
    }
}

/// What the table wants done, or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<C, S> {
    Transmit {
        path: Path,
        packet: Packet,
    },
    /// A client transaction is gone from the table since no final response came.
    TimedOut(C),
    /// A client transaction is gone from the table, its work done.
    ClientTerminated(C),
    /// A server transaction is gone from the table since our refusal of an INVITE was never
    /// acknowledged.
    NeverAcknowledged(S),
    /// A server transaction is gone from the table, its work done.
    ServerTerminated(S),
}

#[derive(Debug)]
enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

#[derive(Debug)]
enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

#[derive(Debug)]
struct Client<C> {
    machine: ClientMachine,
    key: ClientKey,
    path: Path,
    armed: Option<Instant>,
    user: C,
}

#[derive(Debug)]
struct Server<S> {
    machine: ServerMachine,
    key: ServerKey,
    merge: Option<MergeKey>,
    path: Path,
    armed: Option<Instant>,
    user: S,
}

/// What identifies a request that starts a server transaction.
#[derive(Debug)]
pub struct ServerStart<S> {
    pub key: ServerKey,
    /// For requests outside a dialog: finds the same request come over another way (§8.2.2.2).
    pub merge: Option<MergeKey>,
    pub path: Path,
    pub user: S,
}

/// What is found is found by numbers of our own and by fingerprints, neither of which a far end can choose: so the
/// tables need no hasher that guards against that.
///
/// `C` and `S` are what the user wants to find again with a client or server transaction.
#[derive(Debug)]
pub struct Table<C, S> {
    timers: Timers,
    next_id: u64,
    clients: FxHashMap<ClientId, Box<Client<C>>>,
    client_keys: FxHashMap<ClientKey, ClientId>,
    /// In boxes, as the clients: tables of what is large grow slowly and hold much room for nothing.
    servers: FxHashMap<ServerId, Box<Server<S>>>,
    server_keys: FxHashMap<ServerKey, ServerId>,
    merge_keys: FxHashMap<MergeKey, ServerId>,
    /// May hold deadlines that were since moved or dropped; `armed` tells which one counts.
    deadlines: BinaryHeap<Reverse<(Instant, Timer)>>,
    effects: VecDeque<Effect<C, S>>,
}

impl<C, S> Table<C, S> {
    pub fn new(timers: Timers) -> Self {
        Table {
            timers,
            next_id: 0,
            clients: FxHashMap::default(),
            client_keys: FxHashMap::default(),
            servers: FxHashMap::default(),
            server_keys: FxHashMap::default(),
            merge_keys: FxHashMap::default(),
            deadlines: BinaryHeap::new(),
            effects: VecDeque::new(),
        }
    }

    pub fn timers(&self) -> Timers {
        self.timers
    }

    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends an INVITE.
    pub fn start_client_invite(
        &mut self,
        now: Instant,
        key: ClientKey,
        path: Path,
        request: Packet,
        user: C,
    ) -> ClientId {
        let (machine, outputs) = ClientInvite::new(now, self.timers.over(path.transport), request);
        self.insert_client(ClientMachine::Invite(machine), key, path, user, outputs)
    }

    /// Sends any other request but ACK.
    pub fn start_client(
        &mut self,
        now: Instant,
        key: ClientKey,
        path: Path,
        request: Packet,
        user: C,
    ) -> ClientId {
        let (machine, outputs) =
            ClientNonInvite::new(now, self.timers.over(path.transport), request);
        self.insert_client(ClientMachine::NonInvite(machine), key, path, user, outputs)
    }

    fn insert_client(
        &mut self,
        machine: ClientMachine,
        key: ClientKey,
        path: Path,
        user: C,
        outputs: Outputs,
    ) -> ClientId {
        let id = ClientId(self.id());
        self.client_keys.insert(key, id);
        self.clients.insert(
            id,
            Box::new(Client {
                machine,
                key,
                path,
                armed: None,
                user,
            }),
        );
        self.client_outputs(id, outputs);
        id
    }

    /// The transaction that a response belongs to.
    pub fn find_client(&self, key: &ClientKey) -> Option<ClientId> {
        self.client_keys.get(key).copied()
    }

    /// One whose user is as asked for. It looks at each.
    pub fn find_client_by(&self, is_it: impl Fn(&C) -> bool) -> Option<ClientId> {
        let mut clients = self.clients.iter();
        clients
            .find(|(_, client)| is_it(&client.user))
            .map(|(id, _)| *id)
    }

    pub fn client(&self, id: ClientId) -> Option<&C> {
        self.clients.get(&id).map(|client| &client.user)
    }

    pub fn client_mut(&mut self, id: ClientId) -> Option<&mut C> {
        self.clients.get_mut(&id).map(|client| &mut client.user)
    }

    pub fn client_path(&self, id: ClientId) -> Option<Path> {
        self.clients.get(&id).map(|client| client.path)
    }

    /// An INVITE with a provisional and without a final response.
    pub fn client_is_proceeding(&self, id: ClientId) -> bool {
        matches!(
            self.clients.get(&id).map(|client| &client.machine),
            Some(ClientMachine::Invite(machine)) if machine.is_proceeding()
        )
    }

    /// A response; true if the user is to see it. `ack` is needed for a 300–699 to an INVITE.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: ClientId,
        status: u16,
        ack: Option<Packet>,
    ) -> bool {
        let Some(client) = self.clients.get_mut(&id) else {
            return false;
        };
        let outputs = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.handle_response(now, status, ack),
            ClientMachine::NonInvite(machine) => machine.handle_response(now, status),
        };
        self.client_outputs(id, outputs)
    }

    /// Forgets a request that was never sent.
    pub fn abandon(&mut self, id: ClientId) -> Option<C> {
        let client = self.clients.remove(&id)?;
        self.client_keys.remove(&client.key);
        Some(client.user)
    }

    /// Sends once more, and only once, what this peer has not answered: its connection broke.
    pub fn resend(&mut self, transport: Transport, remote: SocketAddr) {
        for client in self.clients.values_mut() {
            let path = client.path;
            if path.transport != transport || path.remote != remote {
                continue;
            }
            let request = match &mut client.machine {
                ClientMachine::Invite(machine) => machine.resend(),
                ClientMachine::NonInvite(machine) => machine.resend(),
            };
            let effect = request.map(|packet| Effect::Transmit { path, packet });
            self.effects.extend(effect);
        }
    }

    /// Another INVITE takes the place of this one; see [`ClientInvite::hush`].
    pub fn hush(&mut self, id: ClientId) {
        self.with_invite(id, ClientInvite::hush);
    }

    /// An INVITE within a dialog; see [`ClientInvite::bound`].
    pub fn set_patience(&mut self, id: ClientId, patience: Duration) {
        self.with_invite(id, |invite| invite.set_patience(patience));
    }

    /// An INVITE that nobody waits for was cancelled; see [`ClientInvite::cancelled`].
    pub fn cancelled(&mut self, now: Instant, id: ClientId) {
        self.with_invite(id, |invite| invite.cancelled(now));
    }

    fn with_invite(&mut self, id: ClientId, change: impl FnOnce(&mut ClientInvite)) {
        if let Some(client) = self.clients.get_mut(&id)
            && let ClientMachine::Invite(machine) = &mut client.machine
        {
            change(machine);
            // Its deadline may have moved.
            self.client_outputs(id, Vec::new());
        }
    }

    /// Ends the wait for a final response to an INVITE; see [`ClientInvite::give_up`].
    pub fn give_up(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let ClientMachine::Invite(machine) = &mut client.machine {
            let outputs = machine.give_up();
            self.client_outputs(id, outputs);
        }
    }

    /// Takes up an INVITE; `trying` is its 100.
    pub fn start_server_invite(
        &mut self,
        now: Instant,
        start: ServerStart<S>,
        trying: Packet,
    ) -> ServerId {
        let timers = self.timers.over(start.path.transport);
        let machine = ServerInvite::new(now, timers, trying);
        self.insert_server(ServerMachine::Invite(machine), start)
    }

    /// Takes up any other request but ACK.
    pub fn start_server(&mut self, start: ServerStart<S>) -> ServerId {
        let machine = ServerNonInvite::new(self.timers.over(start.path.transport));
        self.insert_server(ServerMachine::NonInvite(machine), start)
    }

    fn insert_server(&mut self, machine: ServerMachine, start: ServerStart<S>) -> ServerId {
        let id = ServerId(self.id());
        let ServerStart {
            key,
            merge,
            path,
            user,
        } = start;
        self.server_keys.insert(key, id);
        if let Some(merge) = merge {
            self.merge_keys.insert(merge, id);
        }
        self.servers.insert(
            id,
            Box::new(Server {
                machine,
                key,
                merge,
                path,
                armed: None,
                user,
            }),
        );
        self.server_outputs(id, Vec::new());
        id
    }

    /// The transaction that a request belongs to.
    pub fn find_server(&self, key: &ServerKey) -> Option<ServerId> {
        self.server_keys.get(key).copied()
    }

    /// The transaction of the same request come over another way.
    pub fn find_merged(&self, key: &MergeKey) -> Option<ServerId> {
        self.merge_keys.get(key).copied()
    }

    pub fn server(&self, id: ServerId) -> Option<&S> {
        self.servers.get(&id).map(|server| &server.user)
    }

    pub fn server_mut(&mut self, id: ServerId) -> Option<&mut S> {
        self.servers.get_mut(&id).map(|server| &mut server.user)
    }

    /// An INVITE without a final response.
    pub fn server_is_proceeding(&self, id: ServerId) -> bool {
        matches!(
            self.servers.get(&id).map(|server| &server.machine),
            Some(ServerMachine::Invite(machine)) if machine.is_proceeding()
        )
    }

    /// The same request again.
    pub fn handle_retransmission(&mut self, id: ServerId) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let outputs = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.handle_retransmission(),
            ServerMachine::NonInvite(machine) => machine.handle_retransmission(),
        };
        self.server_outputs(id, outputs);
    }

    /// An ACK that matched an INVITE; true if it acknowledges a 2xx and the user is to see it.
    pub fn handle_ack(&mut self, now: Instant, id: ServerId) -> bool {
        let Some(server) = self.servers.get_mut(&id) else {
            return false;
        };
        let ServerMachine::Invite(machine) = &mut server.machine else {
            return false;
        };
        let outputs = machine.handle_ack(now);
        self.server_outputs(id, outputs)
    }

    /// Sends a response.
    pub fn respond(&mut self, now: Instant, id: ServerId, status: u16, response: Packet) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let outputs = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.respond(now, status, response),
            ServerMachine::NonInvite(machine) => machine.respond(now, status, response),
        };
        self.server_outputs(id, outputs);
    }

    pub fn poll_effect(&mut self) -> Option<Effect<C, S>> {
        take(&mut self.effects)
    }

    /// When `handle_timeout` is due next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, timer))) = self.deadlines.peek().copied() {
            if self.armed(timer) == Some(at) {
                return Some(at);
            }
            self.deadlines.pop();
        }
        None
    }

    /// Runs every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|at| at <= now) {
            let Some(Reverse((at, timer))) = self.deadlines.pop() else {
                return;
            };
            // A timer runs at its own instant, so that a late caller does not stretch the intervals;
            // one that is very late must not send a burst either.
            match timer {
                Timer::Client(id) => {
                    let Some(client) = self.clients.get_mut(&id) else {
                        continue;
                    };
                    client.armed = None;
                    let at = at.max(now);
                    let outputs = match &mut client.machine {
                        ClientMachine::Invite(machine) => machine.handle_timeout(at),
                        ClientMachine::NonInvite(machine) => machine.handle_timeout(at),
                    };
                    self.client_outputs(id, outputs);
                }
                Timer::Server(id) => {
                    let Some(server) = self.servers.get_mut(&id) else {
                        continue;
                    };
                    server.armed = None;
                    let at = at.max(now);
                    let outputs = match &mut server.machine {
                        ServerMachine::Invite(machine) => machine.handle_timeout(at),
                        ServerMachine::NonInvite(machine) => machine.handle_timeout(at),
                    };
                    self.server_outputs(id, outputs);
                }
            }
        }
        self.clients.give_back();
        self.client_keys.give_back();
        self.servers.give_back();
        self.server_keys.give_back();
        self.merge_keys.give_back();
        self.deadlines.give_back();
    }

    fn armed(&self, timer: Timer) -> Option<Instant> {
        match timer {
            Timer::Client(id) => self.clients.get(&id)?.armed,
            Timer::Server(id) => self.servers.get(&id)?.armed,
        }
    }

    /// True if the message that was just handled is for the user.
    fn client_outputs(&mut self, id: ClientId, outputs: Outputs) -> bool {
        let Some(client) = self.clients.get_mut(&id) else {
            return false;
        };
        let outcome = carry_out(&mut self.effects, client.path, outputs);
        if outcome.terminated {
            if let Some(client) = self.clients.remove(&id) {
                self.client_keys.remove(&client.key);
                self.effects.push_back(if outcome.timed_out {
                    Effect::TimedOut(client.user)
                } else {
                    Effect::ClientTerminated(client.user)
                });
            }
            return outcome.deliver;
        }
        let next = match &client.machine {
            ClientMachine::Invite(machine) => machine.poll_timeout(),
            ClientMachine::NonInvite(machine) => machine.poll_timeout(),
        };
        if client.armed != next {
            client.armed = next;
            self.deadlines
                .extend(next.map(|at| Reverse((at, Timer::Client(id)))));
        }
        outcome.deliver
    }

    fn server_outputs(&mut self, id: ServerId, outputs: Outputs) -> bool {
        let Some(server) = self.servers.get_mut(&id) else {
            return false;
        };
        let outcome = carry_out(&mut self.effects, server.path, outputs);
        if outcome.terminated {
            if let Some(server) = self.servers.remove(&id) {
                // A later transaction may have taken the same key over.
                if self.server_keys.get(&server.key) == Some(&id) {
                    self.server_keys.remove(&server.key);
                }
                if let Some(merge) = &server.merge
                    && self.merge_keys.get(merge) == Some(&id)
                {
                    self.merge_keys.remove(merge);
                }
                self.effects.push_back(if outcome.never_acknowledged {
                    Effect::NeverAcknowledged(server.user)
                } else {
                    Effect::ServerTerminated(server.user)
                });
            }
            return outcome.deliver;
        }
        let next = match &server.machine {
            ServerMachine::Invite(machine) => machine.poll_timeout(),
            ServerMachine::NonInvite(machine) => machine.poll_timeout(),
        };
        if server.armed != next {
            server.armed = next;
            self.deadlines
                .extend(next.map(|at| Reverse((at, Timer::Server(id)))));
        }
        outcome.deliver
    }
}

/// What a machine's outputs come to, beside the messages that it sends.
#[derive(Default)]
struct Outcome {
    deliver: bool,
    timed_out: bool,
    never_acknowledged: bool,
    terminated: bool,
}

fn carry_out<C, S>(effects: &mut VecDeque<Effect<C, S>>, path: Path, outputs: Outputs) -> Outcome {
    let mut outcome = Outcome::default();
    for output in outputs {
        match output {
            Output::Send(packet) => effects.push_back(Effect::Transmit { path, packet }),
            Output::Deliver => outcome.deliver = true,
            Output::TimedOut => outcome.timed_out = true,
            Output::NeverAcknowledged => outcome.never_acknowledged = true,
            Output::Terminated => outcome.terminated = true,
        }
    }
    outcome
}
