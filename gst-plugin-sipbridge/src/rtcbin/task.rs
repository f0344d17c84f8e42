// SPDX-License-Identifier: MPL-2.0
//! The task of a connection: sockets around the transport, on a context.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::incoming::Incoming;
use super::outgoing::Rewriter;
use super::relays::{FIRST_TOKEN, RelayNews, RelayServer, Relays};
use super::socket::Socket;
use super::source::Source;
use crate::context::{Cx, Mailbox, Notifier, Task};
use crate::rtc::{
    Action, Plan, ReceiverStats, Reflexive, Told, Transport, TransportEvent, TransportStats,
};

/// Packets that wait for the context: half a second of a few tracks. Of too many the oldest go.
const INPUT_MAX: usize = 128;

/// What the owner asks.
pub(super) enum Command {
    /// To be reached here; `hidden`: by relays alone.
    Sockets {
        sockets: Vec<UdpSocket>,
        hidden: bool,
    },
    /// Ask this server how it sees us.
    Stun(SocketAddr),
    /// Ask this server to relay.
    Relay(Box<RelayServer>),
    /// Servers that relay will be named again; `anew`: what they gave is of no use.
    MoreServers {
        anew: bool,
    },
    /// No more servers will be named.
    NoMoreServers,
    Plan(Box<Plan>),
    Candidate(String),
    /// What arrives on a line goes there.
    Source(usize, Arc<Source>),
    /// Payload types of a sink pad's caps, and what they are on the wire.
    Numbers(usize, Vec<(u8, u8)>),
    /// Nothing arrives anywhere any more: the pads are gone.
    NoSources,
    Stats(Counting),
}

/// What a connection counts at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) transport: TransportStats,
    pub(super) received: Vec<(usize, ReceiverStats)>,
    /// What the far end says that it sent.
    pub(super) told: Vec<Told>,
}

/// Somebody waits for figures, and gets some in any case: empty ones where the task ends first.
pub(super) struct Counting(Option<Box<dyn FnOnce(Snapshot) + Send>>);

impl Counting {
    pub(super) fn new(reply: impl FnOnce(Snapshot) + Send + 'static) -> Counting {
        Counting(Some(Box::new(reply)))
    }

    fn reply(mut self, snapshot: Snapshot) {
        if let Some(reply) = self.0.take() {
            reply(snapshot);
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply(Snapshot::default());
        }
    }
}

/// What the task tells.
#[derive(Debug)]
pub(super) enum Notice {
    Transport(TransportEvent),
    /// A candidate of ours that was found since.
    Candidate(String),
    /// No more are coming.
    Gathered,
    /// A server relays nothing for us, or no longer from where this candidate is.
    NoRelay {
        server: SocketAddr,
        reason: String,
        lost: Option<String>,
    },
    /// Something arrives on a line that has no pad yet.
    Track(usize),
}

/// Where both sides leave things for the task.
#[derive(Default)]
pub(super) struct Shared {
    commands: Mailbox<Command>,
    input: Mutex<VecDeque<(usize, gst::Buffer)>>,
    notifier: Mutex<Option<Notifier>>,
    /// The element's clock and base time, while it plays.
    playing: Mutex<Option<(gst::Clock, gst::ClockTime)>>,
}

impl Shared {
    fn notify(&self) {
        let notifier = lock(&self.notifier).clone();
        if let Some(notifier) = notifier {
            notifier.notify();
        }
    }

    pub(super) fn bind(&self, notifier: Notifier) {
        *lock(&self.notifier) = Some(notifier);
    }

    pub(super) fn command(&self, command: Command) {
        self.commands.post(command);
        self.notify();
    }

    /// Time runs: what arrives goes downstream from now on.
    pub(super) fn plays(&self, clock: Option<gst::Clock>, base_time: Option<gst::ClockTime>) {
        *lock(&self.playing) = clock.zip(base_time);
    }

    /// Nothing flows any more.
    pub(super) fn pauses(&self) {
        *lock(&self.playing) = None;
    }

    /// The element's running time; `None` while it does not play.
    fn running_time(&self) -> Option<Duration> {
        let playing = lock(&self.playing);
        let (clock, base_time) = playing.as_ref()?;
        Some(clock.time().checked_sub(*base_time)?.into())
    }

    /// Packets of a sink pad, for a line.
    pub(super) fn push(&self, line: usize, buffers: impl IntoIterator<Item = gst::Buffer>) {
        let was_empty = {
            let mut input = lock(&self.input);
            let was_empty = input.is_empty();
            for buffer in buffers {
                if input.len() == INPUT_MAX {
                    input.pop_front();
                }
                input.push_back((line, buffer));
            }
            was_empty
        };
        // Whoever found it empty has told already.
        if was_empty {
            self.notify();
        }
    }
}

/// The running time, asked once in a turn.
#[derive(Default)]
struct Running(Option<Option<Duration>>);

impl Running {
    fn time(&mut self, shared: &Shared) -> Option<Duration> {
        *self.0.get_or_insert_with(|| shared.running_time())
    }
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    transport: Transport,
    sockets: Vec<Socket>,
    reflexives: Vec<Reflexive>,
    relays: Relays,
    /// No server will be named any more.
    asked: bool,
    gathered: bool,
    incoming: Vec<Incoming>,
    outgoing: Vec<(usize, Rewriter)>,
    plan: Option<Box<Plan>>,
    latency: Duration,
    tell: Box<dyn Fn(Notice) + Send>,
    /// Taken from `shared`, kept for its room.
    input: VecDeque<(usize, gst::Buffer)>,
}

impl Connection {
    pub(super) fn new(
        shared: Arc<Shared>,
        transport: Transport,
        latency: Duration,
        tell: Box<dyn Fn(Notice) + Send>,
    ) -> Connection {
        Connection {
            shared,
            transport,
            sockets: Vec::new(),
            reflexives: Vec::new(),
            relays: Relays::default(),
            asked: false,
            gathered: false,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            plan: None,
            latency,
            tell,
            input: VecDeque::new(),
        }
    }

    fn obey(&mut self, cx: &mut Cx<'_>, command: Command) {
        match command {
            Command::Sockets { sockets, hidden } => self.listen(cx, sockets, hidden),
            Command::Stun(server) => {
                let now = cx.now();
                let asked = self
                    .sockets
                    .iter()
                    .filter_map(|socket| Reflexive::new(now, server, socket.local()));
                self.reflexives.extend(asked);
            }
            Command::Relay(server) => self.relays.ask(cx, &server, &self.sockets),
            Command::MoreServers { anew } => {
                (self.asked, self.gathered) = (false, false);
                if anew {
                    for (relayed, base) in self.relays.close(cx.now(), &self.sockets) {
                        self.transport.remove_relayed(relayed, base);
                    }
                }
            }
            Command::NoMoreServers => self.asked = true,
            Command::Plan(plan) => {
                self.transport.apply(cx.now(), (*plan).clone());
                self.incoming.retain(|incoming| incoming.is_in(&plan));
                for incoming in &mut self.incoming {
                    incoming.follow(&plan);
                }
                self.outgoing
                    .retain(|(line, _)| plan.media.iter().any(|media| media.line == *line));
                self.plan = Some(plan);
            }
            Command::Candidate(candidate) => self.transport.add_remote(&candidate),
            Command::Source(line, source) => self.incoming(line).lead_to(source),
            Command::Numbers(line, numbers) => self.outgoing(line).translate(numbers),
            Command::Stats(counting) => counting.reply(Snapshot {
                transport: self.transport.stats().clone(),
                received: self
                    .incoming
                    .iter()
                    .map(|incoming| (incoming.line(), incoming.stats()))
                    .collect(),
                told: self.transport.told().collect(),
            }),
            Command::NoSources => self.incoming.clear(),
        }
    }

    fn incoming(&mut self, line: usize) -> &mut Incoming {
        let place = self.incoming.iter().position(|known| known.line() == line);
        let place = place.unwrap_or_else(|| {
            self.incoming.push(Incoming::new(line, self.latency));
            self.incoming.len() - 1
        });
        &mut self.incoming[place]
    }

    fn outgoing(&mut self, line: usize) -> &mut Rewriter {
        let place = self.outgoing.iter().position(|(known, _)| *known == line);
        let place = place.unwrap_or_else(|| {
            self.outgoing.push((line, Rewriter::default()));
            self.outgoing.len() - 1
        });
        &mut self.outgoing[place].1
    }

    fn listen(&mut self, cx: &mut Cx<'_>, sockets: Vec<UdpSocket>, hidden: bool) {
        for socket in sockets {
            let Ok(mut socket) = Socket::new(socket) else {
                continue;
            };
            let local = socket.local();
            if let Err(error) = cx.register(socket.source(), self.sockets.len()) {
                tracing::error!(%local, %error, "cannot watch a socket of a WebRTC connection");
                continue;
            }
            if !hidden {
                // Its text went out with the description; this tells the agent.
                self.transport.add_host(local);
            }
            self.sockets.push(socket);
        }
    }

    /// Everything that is due, and when the next thing is.
    fn run(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.transport.timeout(now);
        self.speak(now);
        let mut running = Running::default();
        self.relays.timeout(now, &self.sockets);
        self.hear_of_relays();
        let wait = self.drain(now, &mut running);
        self.relays.flush(&self.sockets);
        self.ask(now);
        let held = self.listen_again(now, &mut running);
        let asking = self.reflexives.iter().filter_map(Reflexive::due).min();
        let due = [wait, held, asking, self.relays.due()];
        match due.into_iter().flatten().min() {
            Some(at) => cx.set_timer(at),
            None => cx.clear_timer(),
        }
    }

    /// Sends what the sink pads brought.
    fn speak(&mut self, now: Instant) {
        std::mem::swap(&mut self.input, &mut *lock(&self.shared.input));
        while let Some((line, buffer)) = self.input.pop_front() {
            let Ok(map) = buffer.map_readable() else {
                continue;
            };
            let level = buffer
                .meta::<gst_audio::AudioLevelMeta>()
                .map(|meta| (meta.level().min(127), meta.voice_activity()));
            let place = self.outgoing.iter_mut().find(|(known, _)| *known == line);
            let packet = place.and_then(|(_, rewriter)| rewriter.rewrite(now, &map, level));
            let Some(packet) = packet else {
                continue;
            };
            self.transport.send(now, line, &packet);
        }
    }

    /// Carries out what the transport wants; the time of its next wish.
    fn drain(&mut self, now: Instant, running: &mut Running) -> Option<Instant> {
        loop {
            match self.transport.poll() {
                Action::Send { from, to, bytes } => {
                    match self.sockets.iter().find(|socket| socket.local() == from) {
                        Some(socket) => {
                            socket.send(&bytes, to);
                            self.transport.give_back(bytes);
                        }
                        None => self.relays.send(now, from, to, bytes),
                    }
                }
                Action::Packet(packet) => {
                    let Some(running) = running.time(&self.shared) else {
                        continue;
                    };
                    let line = packet.line;
                    let Some(plan) = self.plan.take() else {
                        continue;
                    };
                    let is_new = self.incoming(line).take(&plan, running, packet);
                    self.plan = Some(plan);
                    if is_new {
                        (self.tell)(Notice::Track(line));
                    }
                }
                Action::Event(event) => (self.tell)(Notice::Transport(event)),
                Action::Wait(wait) => return wait,
            }
        }
    }

    /// Hands on what is in order or given up; when there may be more.
    fn listen_again(&mut self, now: Instant, running: &mut Running) -> Option<Instant> {
        if self.incoming.iter().all(Incoming::is_idle) {
            return None;
        }
        let running = running.time(&self.shared)?;
        let mut next: Option<Duration> = None;
        for incoming in &mut self.incoming {
            incoming.hand_on(running);
            next = [next, incoming.deadline()].into_iter().flatten().min();
        }
        next.map(|at| now + at.saturating_sub(running))
    }

    /// Tells what became of relays.
    fn hear_of_relays(&mut self) {
        for news in self.relays.take_news() {
            match news {
                RelayNews::Allocated { relayed, base } => {
                    if let Some(candidate) = self.transport.add_relayed(relayed, base) {
                        (self.tell)(Notice::Candidate(candidate));
                    }
                }
                RelayNews::Failed {
                    server,
                    reason,
                    lost,
                } => {
                    let lost = lost
                        .and_then(|(relayed, base)| self.transport.remove_relayed(relayed, base));
                    (self.tell)(Notice::NoRelay {
                        server,
                        reason,
                        lost,
                    });
                }
            }
        }
    }

    /// Asks servers how they see us.
    fn ask(&mut self, now: Instant) {
        for reflexive in &mut self.reflexives {
            let Some(request) = reflexive.timeout(now) else {
                continue;
            };
            let base = reflexive.base();
            if let Some(socket) = self.sockets.iter().find(|socket| socket.local() == base) {
                socket.send(&request, reflexive.server());
            }
        }
        self.reflexives.retain(|reflexive| !reflexive.is_over());
        let settled = self.reflexives.is_empty() && self.relays.are_settled();
        if self.asked && settled && !self.gathered {
            self.gathered = true;
            (self.tell)(Notice::Gathered);
        }
    }

    fn read(&mut self, cx: &mut Cx<'_>, token: usize) {
        let now = cx.now();
        let Connection {
            sockets,
            transport,
            reflexives,
            relays,
            tell,
            ..
        } = self;
        if token >= FIRST_TOKEN {
            relays.readable(cx, token, |own, peer, said| {
                transport.receive(now, own, peer, said);
            });
            return;
        }
        let Some(socket) = sockets.get(token) else {
            return;
        };
        let local = socket.local();
        let more = cx.inbox().read(socket, now, |at, from, bytes| {
            if answered(reflexives, transport, tell, from, bytes) {
                return;
            }
            let relayed = relays.receive(now, local, from, bytes, |own, peer, said| {
                transport.receive(at, own, peer, said);
            });
            if !relayed {
                transport.receive(at, local, from, bytes);
            }
        });
        if more {
            cx.again(token);
        }
    }
}

/// Whether it was the answer of a server that was asked how it sees us.
fn answered(
    reflexives: &mut [Reflexive],
    transport: &mut Transport,
    tell: &dyn Fn(Notice),
    from: SocketAddr,
    bytes: &[u8],
) -> bool {
    for reflexive in reflexives {
        if let Some(seen) = reflexive.receive(from, bytes) {
            if let Some(candidate) = transport.add_reflexive(seen, reflexive.base()) {
                tell(Notice::Candidate(candidate));
            }
            return true;
        }
    }
    false
}

impl Task for Connection {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.notified(cx);
    }

    fn readable(&mut self, cx: &mut Cx<'_>, token: usize) {
        self.read(cx, token);
        self.run(cx);
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        self.run(cx);
    }

    fn notified(&mut self, cx: &mut Cx<'_>) {
        for command in self.shared.commands.take() {
            self.obey(cx, command);
        }
        self.run(cx);
    }

    fn leave(&mut self, cx: &mut Cx<'_>) {
        for socket in &mut self.sockets {
            if let Err(error) = cx.deregister(socket.source()) {
                tracing::debug!(%error, "a socket was not watched");
            }
        }
        self.relays.leave(cx);
    }

    fn arrive(&mut self, cx: &mut Cx<'_>) {
        for (token, socket) in self.sockets.iter_mut().enumerate() {
            if let Err(error) = cx.register(socket.source(), token) {
                tracing::error!(%error, "cannot watch a socket of a WebRTC connection");
            }
        }
        self.relays.arrive(cx);
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.transport.close();
        self.drain(cx.now(), &mut Running::default());
        self.relays.close(cx.now(), &self.sockets);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
