// SPDX-License-Identifier: MPL-2.0
//! Two endpoints, a wire that can lose, repeat and reorder, and a clock that only the test moves.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::dialog::SessionTimer;
use sip_ua::digest::Credentials;
use sip_ua::endpoint::{
    CallEvent, CallId, Endpoint, EndpointConfig, Event, Limits, Outgoing, Screen, Transmit, Verdict,
};
use sip_ua::registrar::Binding;
use sip_ua::registration::{RegistrationId, RegistrationState};
use sip_ua::transaction::{Packet, Path, Timers};
use sip_ua::transport::{Arrival, FlowId, Transport};
use sip_ua::watch::{WatchId, WatchState};
use sip_ua::wire::{Message, Request, Response, read_datagram};

pub const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub const ANSWER: &[u8] = b"v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Alice,
    Bob,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Alice => Side::Bob,
            Side::Bob => Side::Alice,
        }
    }

    pub fn addr(self) -> SocketAddr {
        match self {
            Side::Alice => "192.0.2.1:5060".parse().unwrap(),
            Side::Bob => "192.0.2.2:5070".parse().unwrap(),
        }
    }
}

/// A message on its way; `line` is its start line.
pub struct Passing<'a> {
    pub from: Side,
    pub line: &'a str,
    /// How many with this start line came from this side, this one included.
    pub nth: usize,
}

/// What the wire does to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Deliver,
    Lose,
    Twice,
    Late(Duration),
}

type Wire = Box<dyn FnMut(&Passing<'_>) -> Fate>;

struct Flight {
    at: Instant,
    order: u64,
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    packet: Packet,
}

pub struct Pair {
    pub start: Instant,
    pub now: Instant,
    pub alice: Endpoint,
    pub bob: Endpoint,
    pub wire: Wire,
    flights: Vec<Flight>,
    sent: u64,
    seen: HashMap<(Side, String), usize>,
    /// Every message sent, as `123ms alice INVITE sip:…`.
    pub ladder: Vec<String>,
    /// The messages themselves, in the order they were sent.
    pub messages: Vec<(Side, Vec<u8>)>,
    /// What each of them was sent over.
    transports: Vec<Transport>,
    /// Whether connections come about.
    pub tcp: bool,
    events: HashMap<(Side, CallId), Vec<CallEvent>>,
    pub incoming: Vec<(Side, CallId, Arc<Request>)>,
    /// What registrations told, and when.
    pub registrations: Vec<(Side, RegistrationId, Duration, RegistrationState)>,
    /// What was told of servers that are watched, and when.
    pub watches: Vec<(WatchId, Duration, WatchState)>,
    /// What looking for them finds.
    pub watched_found: Result<Vec<SocketAddr>, String>,
    /// Who was bound at the registrar when that was last asked.
    pub bindings: BTreeMap<String, Vec<Binding>>,
    /// What looking for a registrar finds: the other side, or nothing.
    pub registrar_found: Result<(), String>,
    /// The servers of the registrar; empty: the other side.
    pub registrars: Vec<SocketAddr>,
    /// What the way to them is over.
    pub registrars_speak: Transport,
    /// What looking for the next hop of a dialog finds; without it that takes for ever.
    pub hops_found: Option<Vec<SocketAddr>>,
    /// The next hops that were looked for.
    pub looked_up: Vec<String>,
    /// The connection that what is not sent over UDP goes over.
    pub flow: Option<FlowId>,
    /// The connections to keep alive, and how often.
    pub kept_alive: Vec<(FlowId, Duration)>,
    /// What was sent to anybody but the two.
    pub strays: Vec<(SocketAddr, Vec<u8>)>,
}

pub const LATENCY: Duration = Duration::from_millis(10);

pub fn everyone() -> Screen {
    Arc::new(|_, _| Verdict::Allow)
}

pub fn endpoint(seed: u64, screen: Screen) -> Endpoint {
    endpoint_with(seed, screen, Limits::default())
}

pub fn endpoint_with(seed: u64, screen: Screen, limits: Limits) -> Endpoint {
    Endpoint::new(EndpointConfig {
        screen,
        limits,
        ..config(seed)
    })
}

/// Of an endpoint that everyone may call.
pub fn config(seed: u64) -> EndpointConfig {
    EndpointConfig {
        advertise: None,
        user_agent: "sipbridge-test".to_owned(),
        listeners: Vec::new(),
        screen: everyone(),
        limits: Limits::default(),
        timers: Timers::default(),
        session_timer: SessionTimer::default(),
        reliable_early_media: true,
        registrar: None,
        instance: None,
        seed: Some(seed),
    }
}

impl Pair {
    pub fn new() -> Pair {
        Pair::of(endpoint(1, everyone()), endpoint(2, everyone()))
    }

    pub fn of(alice: Endpoint, bob: Endpoint) -> Pair {
        let now = Instant::now();
        Pair {
            start: now,
            now,
            alice,
            bob,
            wire: Box::new(|_| Fate::Deliver),
            flights: Vec::new(),
            sent: 0,
            seen: HashMap::new(),
            ladder: Vec::new(),
            messages: Vec::new(),
            transports: Vec::new(),
            tcp: true,
            events: HashMap::new(),
            incoming: Vec::new(),
            registrations: Vec::new(),
            watches: Vec::new(),
            watched_found: Ok(Vec::new()),
            bindings: BTreeMap::new(),
            registrar_found: Ok(()),
            registrars: Vec::new(),
            registrars_speak: Transport::Udp,
            hops_found: Some(Vec::new()),
            looked_up: Vec::new(),
            flow: None,
            kept_alive: Vec::new(),
            strays: Vec::new(),
        }
    }

    pub fn side(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Alice => &mut self.alice,
            Side::Bob => &mut self.bob,
        }
    }

    /// Alice calls Bob.
    pub fn dial(&mut self) -> CallId {
        let call = outgoing();
        self.dial_with(call)
    }

    pub fn dial_with(&mut self, call: Outgoing) -> CallId {
        self.dial_one_of(call, &[Side::Bob.addr()])
    }

    /// Alice calls whom one of these servers leads to.
    pub fn dial_one_of(&mut self, mut call: Outgoing, servers: &[SocketAddr]) -> CallId {
        let id = CallId::unique();
        call.sip_call_id = self.alice.new_sip_call_id();
        let ways = ways(Side::Alice, servers);
        self.alice.dial(self.now, id, ways, call);
        self.drain();
        id
    }

    /// The call that rang at Bob last.
    pub fn bobs_call(&self) -> CallId {
        self.incoming.last().expect("an INVITE arrived").1
    }

    /// Acts on an endpoint and sends what comes of it.
    pub fn act<T>(&mut self, side: Side, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let now = self.now;
        let result = act(self.side(side), now);
        self.drain();
        result
    }

    /// Alice and Bob in a call that is up: her call and his.
    pub fn up(&mut self) -> (CallId, CallId) {
        let a = self.dial();
        self.run(Duration::from_millis(50));
        let b = self.bobs_call();
        self.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
        self.run(Duration::from_millis(100));
        assert!(
            self.events(Side::Bob, b)
                .contains(&CallEvent::Confirmed { sdp: None })
        );
        (a, b)
    }

    /// Hands an endpoint a datagram of somebody's at once.
    pub fn inject(&mut self, to: Side, from: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        self.side(to)
            .handle_datagram(now, to.addr(), from, datagram);
        self.drain();
    }

    /// Hands an endpoint a message of somebody's that came over a connection.
    pub fn inject_over(&mut self, to: Side, from: SocketAddr, flow: FlowId, message: &[u8]) {
        let arrival = Arrival {
            transport: Transport::Tcp,
            local: to.addr(),
            source: from,
            flow: Some(flow),
        };
        let now = self.now;
        let side = self.side(to);
        assert!(side.handle_stream_message(now, arrival, message.to_vec()));
        self.drain();
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            let flight = self.flights.iter().map(|flight| flight.at).min();
            let timers = [self.alice.poll_timeout(), self.bob.poll_timeout()];
            let next = timers.into_iter().chain([flight]).flatten().min();
            let Some(next) = next.filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(next);
            let due = (0..self.flights.len())
                .filter(|i| self.flights[*i].at <= self.now)
                .min_by_key(|i| (self.flights[*i].at, self.flights[*i].order));
            if let Some(at) = due {
                let flight = self.flights.remove(at);
                let now = self.now;
                let side = if flight.to == Side::Alice.addr() {
                    Side::Alice
                } else {
                    Side::Bob
                };
                let over = self.flow;
                let endpoint = self.side(side);
                if flight.transport == Transport::Udp {
                    endpoint.handle_datagram(now, flight.to, flight.from, &flight.packet);
                } else {
                    let arrival = Arrival {
                        transport: flight.transport,
                        local: flight.to,
                        source: flight.from,
                        flow: over,
                    };
                    assert!(endpoint.handle_stream_message(now, arrival, flight.packet.clone()));
                }
            } else {
                let now = self.now;
                self.alice.handle_timeout(now);
                self.bob.handle_timeout(now);
            }
            self.drain();
        }
        self.now = until;
    }

    fn drain(&mut self) {
        for side in [Side::Alice, Side::Bob] {
            loop {
                while let Some(transmit) = self.side(side).poll_transmit() {
                    assert_eq!(transmit.local, side.addr());
                    self.put(side, transmit);
                }
                let Some(event) = self.side(side).poll_event() else {
                    break;
                };
                match event {
                    Event::Incoming { id, request, .. } => self.incoming.push((side, id, request)),
                    Event::Call { id, event } => {
                        let events = self.events.entry((side, id)).or_default();
                        let over = matches!(events.last(), Some(CallEvent::Ended(_)));
                        assert!(!over, "{event:?} came after the end");
                        events.push(event);
                    }
                    Event::Milestone { .. } => {}
                    Event::KeepAlive { flow, every } => self.kept_alive.push((flow, every)),
                    Event::Registration { id, state } => {
                        let at = self.now.duration_since(self.start);
                        self.registrations.push((side, id, at, state));
                    }
                    Event::Watched { id, state } => {
                        let at = self.now.duration_since(self.start);
                        self.watches.push((id, at, state));
                    }
                    Event::LocateWatched { id } => {
                        let found = self.watched_found.clone();
                        let found = found.map(|servers| ways(side, &servers));
                        let now = self.now;
                        self.side(side).watched_located(now, id, found);
                    }
                    Event::LocateTarget { id, uri } => {
                        let addr = uri.host.ip().map(|ip| (ip, uri.port.unwrap_or(5060)));
                        let path = addr
                            .map(|addr| Path::udp(side.addr(), addr.into()))
                            .ok_or_else(|| format!("the host {} was not found", uri.host));
                        let now = self.now;
                        self.side(side).target_located(now, id, path);
                    }
                    Event::LocateHop { id, uri } => {
                        self.looked_up.push(uri.to_string());
                        if let Some(servers) = &self.hops_found {
                            let (now, ways) = (self.now, ways(side, servers));
                            let found = Ok::<_, String>(ways);
                            self.side(side).hop_located(now, id, &uri, found);
                        }
                    }
                    Event::Locate { id } => {
                        let servers = match self.registrars.is_empty() {
                            true => vec![side.other().addr()],
                            false => self.registrars.clone(),
                        };
                        let transport = self.registrars_speak;
                        let over = |way| Path { transport, ..way };
                        let ways: Vec<Path> = ways(side, &servers).into_iter().map(over).collect();
                        let found = self.registrar_found.clone().map(|()| ways);
                        let now = self.now;
                        self.side(side).located(now, id, found);
                    }
                }
            }
        }
    }

    fn put(&mut self, from: Side, transmit: Transmit) {
        if transmit.transport != Transport::Udp && !self.tcp {
            let now = self.now;
            let reason = format!("{} cannot be reached: refused", transmit.remote);
            return self.side(from).handle_unsent(now, &transmit, &reason);
        }
        let Transmit {
            transport,
            remote,
            packet,
            ..
        } = transmit;
        read_datagram(&packet).expect("what an endpoint sends can be read");
        let text = String::from_utf8_lossy(&packet).into_owned();
        let line = text.lines().next().unwrap_or_default().to_owned();
        let millis = self.now.duration_since(self.start).as_millis();
        self.ladder.push(format!("{millis}ms {from:?} {line}"));
        self.messages.push((from, packet.to_vec()));
        self.transports.push(transport);
        if remote != from.other().addr() {
            self.strays.push((remote, packet.to_vec()));
            return;
        }
        let nth = self.seen.entry((from, line.clone())).or_default();
        *nth += 1;
        let passing = Passing {
            from,
            line: &line,
            nth: *nth,
        };
        let delays: &[Duration] = match (self.wire)(&passing) {
            Fate::Deliver => &[LATENCY],
            Fate::Lose => &[],
            Fate::Twice => &[LATENCY, Duration::from_millis(15)],
            Fate::Late(by) => &[LATENCY + by],
        };
        for delay in delays {
            self.sent += 1;
            self.flights.push(Flight {
                at: self.now + *delay,
                order: self.sent,
                transport,
                from: from.addr(),
                to: remote,
                packet: packet.clone(),
            });
        }
    }

    pub fn events(&self, side: Side, id: CallId) -> &[CallEvent] {
        self.events
            .get(&(side, id))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// How the call ended; panics if it did not.
    pub fn end(&self, side: Side, id: CallId) -> &sip_ua::endpoint::End {
        match self.events(side, id).last() {
            Some(CallEvent::Ended(end)) => end,
            other => panic!(
                "the call has not ended: {other:?}\n{}",
                self.ladder.join("\n")
            ),
        }
    }

    /// How many messages whose start line begins so were sent by that side.
    pub fn count(&self, side: Side, start: &str) -> usize {
        self.with_start(side, start).count()
    }

    pub fn with_start<'a>(
        &'a self,
        side: Side,
        start: &'a str,
    ) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.messages
            .iter()
            .filter(move |(from, bytes)| *from == side && bytes.starts_with(start.as_bytes()))
            .map(|(_, bytes)| bytes.as_slice())
    }

    /// What the messages of that side were sent over whose start line begins so.
    pub fn sent_over(&self, side: Side, start: &str) -> Vec<Transport> {
        let sent = self.messages.iter().zip(&self.transports);
        sent.filter(|((from, bytes), _)| *from == side && bytes.starts_with(start.as_bytes()))
            .map(|(_, transport)| *transport)
            .collect()
    }

    /// The last request of that side which starts so.
    pub fn request(&self, side: Side, start: &str) -> Request {
        match read_datagram(self.with_start(side, start).last().expect("it was sent")) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    pub fn response(&self, side: Side, start: &str) -> Response {
        match read_datagram(self.with_start(side, start).last().expect("it was sent")) {
            Ok(Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Nothing is left on either side: no call, dialog, transaction or timer.
    pub fn assert_empty(&mut self) {
        for side in [Side::Alice, Side::Bob] {
            let endpoint = self.side(side);
            let stats = endpoint.stats();
            let left = (
                stats.calls,
                stats.dialogs,
                stats.client_transactions,
                stats.server_transactions,
            );
            assert_eq!(left, (0, 0, 0, 0), "{side:?}");
            assert_eq!(endpoint.poll_timeout(), None, "{side:?}");
        }
    }
}

/// Datagrams from that side to these servers.
fn ways(side: Side, servers: &[SocketAddr]) -> Vec<Path> {
    let way = |server: &SocketAddr| Path::udp(side.addr(), *server);
    servers.iter().map(way).collect()
}

/// The call that Alice makes.
pub fn outgoing() -> Outgoing {
    Outgoing {
        to: "sip:bob@192.0.2.2:5070".parse().unwrap(),
        from: "\"Alice\" <sip:alice@example.org>".parse().unwrap(),
        route: Vec::new(),
        headers: Vec::new(),
        offer: Some(OFFER.to_vec()),
        credentials: None::<Credentials>,
        ring_timeout: Duration::from_secs(60),
        session_timer: None,
        follow_redirects: false,
        sip_call_id: String::new(),
    }
}

/// A minute: longer than any transaction lives.
pub const MINUTE: Duration = Duration::from_secs(60);

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
