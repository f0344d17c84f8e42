// SPDX-License-Identifier: MPL-2.0
//! The loop between sockets, clock, handles and the endpoint.

mod calls;
mod commands;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot, watch};

use super::call::{IncomingCall, Shared};
use super::command::{Command, Commands};
use super::events::EventSender;
use super::names::Names;
use super::registering::Watched;
use super::routes::Routes;
use super::socket::Socket;
use super::stream::{ACCEPTED_AT_ONCE, Accepted, Happening, Streams};
use super::watching::Watchers;
use super::{AgentStats, Bindings, ServiceRoutes, Sockets};
use crate::endpoint::{CallEvent, CallId, End, EndCause, EndedBy, Endpoint};
use crate::resolve::Fallen;
use crate::surplus::Surplus;
use crate::transport::{Action, Hop, Transport};

/// Datagrams and commands taken in one turn, so that neither starves the other or the timers.
const BATCH: usize = 64;

/// The longest a UDP datagram can be.
const MAX_DATAGRAM: usize = 65_535;

pub(super) struct Task {
    pub(super) endpoint: Endpoint,
    /// The addresses we are reached at.
    listeners: Vec<Hop>,
    sockets: Vec<Socket>,
    streams: Streams,
    routes: Routes,
    pub(super) names: Names,
    pub(super) commands: Commands,
    incoming: mpsc::Sender<IncomingCall>,
    pub(super) told: Told,
    calls: FxHashMap<CallId, Listener>,
    pub(super) watched: Watched,
    pub(super) watchers: Watchers,
    closing: Option<Closing>,
    /// Nobody holds the agent any more: it goes when its calls are over.
    retired: bool,
    datagram: Vec<u8>,
}

/// Where the events of a call go.
struct Listener {
    events: EventSender,
    shared: Arc<Shared>,
}

/// What the task tells everybody who wants to know.
pub(super) struct Told {
    pub(super) stats: watch::Sender<AgentStats>,
    pub(super) bindings: watch::Sender<Bindings>,
    pub(super) fallen: watch::Sender<Vec<Fallen>>,
    pub(super) service_routes: watch::Sender<ServiceRoutes>,
}

struct Closing {
    until: Instant,
    done: Vec<oneshot::Sender<()>>,
}

/// What woke the loop.
enum Wake {
    Readable(usize),
    /// Somebody connected, or tried to.
    Accepted(Option<Accepted>),
    Happening(Happening),
    Command(Option<Command>),
    Timer,
}

impl Task {
    pub(super) fn new(
        endpoint: Endpoint,
        sockets: Sockets,
        (routes, names): (Routes, Names),
        commands: Commands,
        incoming: mpsc::Sender<IncomingCall>,
        told: Told,
    ) -> Task {
        Task {
            endpoint,
            listeners: sockets.listeners,
            sockets: sockets.udp,
            streams: Streams::new(sockets.streams, sockets.tls),
            routes,
            names,
            commands,
            incoming,
            told,
            calls: FxHashMap::default(),
            watched: Watched::new(),
            watchers: Watchers::new(),
            closing: None,
            retired: false,
            datagram: vec![0; MAX_DATAGRAM],
        }
    }

    /// Runs until the agent is closed.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        loop {
            let mut taken = 1;
            match self.wake(&mut inbox).await {
                Wake::Readable(at) => taken = self.receive(at),
                Wake::Command(command) => {
                    self.command(command);
                    while taken < BATCH
                        && let Ok(command) = inbox.try_recv()
                    {
                        self.command(Some(command));
                        taken += 1;
                    }
                }
                Wake::Accepted(accepted) => {
                    self.accept(accepted);
                    taken = BATCH;
                }
                Wake::Happening(happening) => {
                    self.happened(happening);
                    while taken < BATCH
                        && let Some(happening) = self.streams.try_happening()
                    {
                        self.happened(happening);
                        taken += 1;
                    }
                }
                Wake::Timer => {
                    let now = Instant::now();
                    self.endpoint.handle_timeout(now);
                    self.streams.handle_timeout(now);
                    self.calls.give_back();
                }
            }
            self.flush();
            self.streams.write_out(Instant::now());
            let idle = self.endpoint.is_idle();
            let leave = match &self.closing {
                Some(closing) => idle || closing.until <= Instant::now(),
                None => idle && self.retired,
            };
            if leave {
                break;
            }
            if taken == BATCH {
                // However much waits here: whoever takes calls and reads events has a turn.
                tokio::task::yield_now().await;
            }
        }
        self.say_goodbye().await;
    }

    async fn wake(&mut self, inbox: &mut mpsc::UnboundedReceiver<Command>) -> Wake {
        let until = self.closing.as_ref().map(|closing| closing.until);
        let streams = self.streams.poll_timeout();
        let deadline = [self.endpoint.poll_timeout(), until, streams]
            .into_iter()
            .flatten()
            .min();
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let sockets = &self.sockets;
        let readable = poll_fn(|cx| {
            for (at, socket) in sockets.iter().enumerate() {
                // An error shows again when the socket is read.
                if socket.udp().poll_recv_ready(cx).is_ready() {
                    return Poll::Ready(at);
                }
            }
            Poll::Pending
        });
        let streams = &mut self.streams;
        let stream = poll_fn(|cx| {
            if let Poll::Ready(happening) = streams.poll_happening(cx) {
                return Poll::Ready(Wake::Happening(happening));
            }
            streams.poll_accept(cx).map(Wake::Accepted)
        });
        // No arm may starve another: the order is random by tokio's own choice.
        tokio::select! {
            at = readable => Wake::Readable(at),
            wake = stream => wake,
            command = inbox.recv() => Wake::Command(command),
            () = timer => Wake::Timer,
        }
    }

    /// Takes connections that wait, this one first.
    fn accept(&mut self, first: Option<Accepted>) {
        let (mut next, mut left) = (first, ACCEPTED_AT_ONCE);
        while let Some(accepted) = next {
            self.streams.accept(Instant::now(), accepted);
            left -= 1;
            next = match left {
                0 => None,
                _ => self.streams.try_accept(),
            };
        }
    }

    /// Takes what waits at a socket, up to a batch, and says how much that was.
    fn receive(&mut self, at: usize) -> usize {
        for taken in 0..BATCH {
            let Some(socket) = self.sockets.get(at) else {
                return taken;
            };
            let bound = socket.local_addr();
            let (length, remote) = match socket.udp().try_recv_from(&mut self.datagram) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return taken,
                Err(error) => {
                    // An ICMP error of an earlier send; the transaction's timer deals with it.
                    tracing::debug!(%error, "a socket reported an error");
                    continue;
                }
            };
            let local = match bound.ip().is_unspecified() {
                true => match self.routes.local_ip_towards(remote.ip()) {
                    Ok(ip) => SocketAddr::new(ip, bound.port()),
                    Err(_) => bound,
                },
                false => bound,
            };
            if let Some(datagram) = self.datagram.get(..length) {
                self.endpoint
                    .handle_datagram(Instant::now(), local, remote, datagram);
            }
            self.flush();
        }
        BATCH
    }

    fn happened(&mut self, happening: Happening) {
        let now = Instant::now();
        let flows = &mut self.streams.flows;
        match happening {
            Happening::Opened(flow, _) | Happening::Connected(flow) => flows.connected(now, flow),
            Happening::Received(flow, octets) => flows.received(now, flow, &octets),
            Happening::Written(flow, octets) => flows.written(flow, octets),
            Happening::Closed(flow, why) => {
                flows.closed(flow, &why);
                self.streams.close(flow);
            }
        }
        self.flush();
    }

    fn act(&mut self, action: Action) {
        let now = Instant::now();
        match action {
            Action::Connect { flow, local, far } => self.streams.connect(flow, local, far),
            Action::Write { flow, packet } => self.streams.write(flow, packet),
            Action::Close { flow } => self.streams.close(flow),
            Action::Message { arrival, message } => {
                let readable = self.endpoint.handle_stream_message(now, arrival, message);
                if let Some(flow) = arrival.flow {
                    self.streams.flows.judged(flow, readable);
                }
            }
            Action::Unsent { transmit, reason } => {
                self.endpoint.handle_unsent(now, &transmit, &reason);
            }
            Action::Lost { far } => self.endpoint.handle_lost(now, far),
            Action::Idle { arrival } => {
                if let Some(flow) = arrival.flow.filter(|_| !self.endpoint.needs(&arrival)) {
                    self.streams.flows.close(flow, "nobody needs it");
                }
            }
        }
    }

    /// Carries out what the endpoint wants.
    fn flush(&mut self) {
        loop {
            // Before the registrar's answer leaves: who is told of a binding finds it.
            if let Some(bindings) = self.endpoint.changed_bindings() {
                self.told.bindings.send_replace(Arc::new(bindings));
            }
            if let Some(fallen) = self.endpoint.changed_fallen(Instant::now()) {
                self.told.fallen.send_replace(fallen);
            }
            while let Some(transmit) = self.endpoint.poll_transmit() {
                if transmit.transport != Transport::Udp {
                    self.streams.flows.send(Instant::now(), transmit);
                    continue;
                }
                let mut sockets = self.sockets.iter();
                let Some(socket) = sockets.find(|socket| socket.carries(transmit.local)) else {
                    continue;
                };
                // A full send buffer is a lost datagram, which SIP survives.
                if let Err(error) = socket.send(&transmit.packet, transmit.remote) {
                    let remote = transmit.remote;
                    tracing::debug!(%remote, %error, "a datagram could not be sent");
                }
            }
            if let Some(event) = self.endpoint.poll_event() {
                self.tell(event);
            } else if let Some(action) = self.streams.flows.poll_action() {
                self.act(action);
            } else {
                break;
            }
        }
        let now = self.endpoint.stats();
        self.told.stats.send_if_modified(|stats| {
            let fresh = AgentStats {
                calls: now.calls,
                dialogs: now.dialogs,
                client_transactions: now.client_transactions,
                server_transactions: now.server_transactions,
                garbage: now.garbage,
                silenced: now.silenced,
                connections: self.streams.flows.len(),
            };
            let changed = *stats != fresh;
            *stats = fresh;
            changed
        });
    }

    /// The calls that the patience did not suffice for still get their end.
    async fn say_goodbye(mut self) {
        for (_, listener) in self.calls.drain() {
            let reason = "this side closed".to_owned();
            let end = End::new(EndedBy::Local, None, EndCause::Closing, reason);
            listener.events.end(CallEvent::Ended(end));
        }
        for (_, watcher) in self.watched.drain() {
            watcher.give_up();
        }
        // The sockets are free before anybody is told so.
        self.sockets.clear();
        self.streams.farewell().await;
        self.told.stats.send_replace(AgentStats::default());
        for done in self.closing.into_iter().flat_map(|closing| closing.done) {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
    }
}
