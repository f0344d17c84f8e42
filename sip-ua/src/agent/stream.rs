// SPDX-License-Identifier: MPL-2.0
//! TCP, and TLS and WebSockets over it: listeners, and connections. Those with a handshake have a task each
//! that reads and writes; the others are [`Plain`]. What is said over which connection is [`Flows`]'
//! business.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rustc_hash::FxHashMap;
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_tungstenite::WebSocketStream;

use super::connection::{open, prepare, run, secure, welcome};
use super::plain::Plain;
use super::tls::Tls;
use super::websocket::upgrade;
use crate::surplus::Surplus;
use crate::transaction::Packet;
use crate::transport::{FlowId, FlowLimits, Flows, Hop, Transport};

/// Chunks that may wait for the agent's task; then connections wait.
const HAPPENINGS: usize = 64;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// After an error that accepting shows, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long what was written last may take to leave when the agent closes.
const FAREWELL: Duration = Duration::from_millis(500);

/// Connections taken in one turn: each is a stranger, of whom there may not be many, until what it says is read
/// and answered, so others have their turn.
pub(super) const ACCEPTED_AT_ONCE: usize = 16;

/// What a connection's task tells.
pub(super) enum Happening {
    /// A connection of ours is there, and has no handshake.
    Opened(FlowId, TcpStream),
    Connected(FlowId),
    Received(FlowId, Vec<u8>),
    Written(FlowId, usize),
    Closed(FlowId, String),
}

pub(super) struct Streams {
    listeners: Vec<Listener>,
    tls: Tls,
    /// Not to be asked before this.
    accept_at: Option<Instant>,
    pub(super) flows: Flows,
    plain: Plain,
    /// Whose turn to be asked first it is: the plain ones', or that of those with a task.
    plain_first: bool,
    /// Dropping a sender closes the connection once all is written.
    writers: FxHashMap<FlowId, mpsc::UnboundedSender<Packet>>,
    tasks: JoinSet<()>,
    tell: mpsc::Sender<Happening>,
    happenings: mpsc::Receiver<Happening>,
}

struct Listener {
    transport: Transport,
    socket: TcpListener,
    /// Where it is reached, if that is one certain address.
    addr: Option<SocketAddr>,
}

/// Somebody who connected.
pub(super) struct Accepted {
    transport: Transport,
    /// Where, if the listener has one certain address.
    local: Option<SocketAddr>,
    stream: TcpStream,
    remote: SocketAddr,
}

/// A connection of which both sides have agreed on all that it needs.
enum Connected {
    Tls(Box<TlsStream<TcpStream>>),
    Ws(Box<WebSocketStream<TcpStream>>),
    Wss(Box<WebSocketStream<TlsStream<TcpStream>>>),
}

/// A connection of ours that was made.
enum Made {
    Plain(TcpStream),
    Agreed(Connected),
}

impl Connected {
    async fn run(
        self,
        flow: FlowId,
        packets: mpsc::UnboundedReceiver<Packet>,
        tell: mpsc::Sender<Happening>,
    ) {
        match self {
            Connected::Tls(stream) => {
                let (reader, writer) = tokio::io::split(*stream);
                run(flow, reader, writer, packets, tell).await;
            }
            Connected::Ws(stream) => {
                let (writer, reader) = (*stream).split();
                run(flow, reader, writer, packets, tell).await;
            }
            Connected::Wss(stream) => {
                let (writer, reader) = (*stream).split();
                run(flow, reader, writer, packets, tell).await;
            }
        }
    }
}

/// What the transport of a listener asks for beyond TCP. An error is a sentence about the far end.
async fn agree(
    transport: Transport,
    tls: Option<Arc<ServerConfig>>,
    stream: TcpStream,
) -> Result<Connected, String> {
    match (transport.is_websocket(), tls) {
        (false, None) => Err("this side has no certificate to show".to_owned()),
        (true, None) => Ok(Connected::Ws(Box::new(upgrade(stream).await?))),
        (false, Some(tls)) => Ok(Connected::Tls(Box::new(welcome(tls, stream).await?))),
        (true, Some(tls)) => {
            let stream = welcome(tls, stream).await?;
            Ok(Connected::Wss(Box::new(upgrade(stream).await?)))
        }
    }
}

/// Tells what came of a connection, and passes it on where it is one.
async fn established(
    flow: FlowId,
    outcome: Result<Connected, String>,
    tell: &mpsc::Sender<Happening>,
) -> Option<Connected> {
    let (happening, connected) = match outcome {
        Ok(connected) => (Happening::Connected(flow), Some(connected)),
        Err(why) => (Happening::Closed(flow, why), None),
    };
    let told = tell.send(happening).await.is_ok();
    connected.filter(|_| told)
}

/// Opens a listener; a port that a former process used is free again at once.
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(addr),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if addr.is_ipv6() {
        // IPv4 has listeners of its own, with addresses that look like such.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    prepare(SockRef::from(&socket));
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// As many connections as the process may have beside its media.
fn limits() -> FlowLimits {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it writes to the structure that it is given, and nothing else.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => FlowLimits::within(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)),
        _ => FlowLimits::default(),
    }
}

impl Streams {
    pub(super) fn new(listeners: Vec<(Transport, TcpListener)>, tls: Tls) -> Streams {
        let (tell, happenings) = mpsc::channel(HAPPENINGS);
        let listeners = listeners.into_iter().map(|(transport, socket)| Listener {
            transport,
            addr: socket
                .local_addr()
                .ok()
                .filter(|addr| !addr.ip().is_unspecified()),
            socket,
        });
        Streams {
            listeners: listeners.collect(),
            tls,
            accept_at: None,
            flows: Flows::new(limits()),
            plain: Plain::new(),
            plain_first: true,
            writers: FxHashMap::default(),
            tasks: JoinSet::new(),
            tell,
            happenings,
        }
    }

    /// When something is due.
    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let plain = self.plain.poll_timeout();
        [self.flows.poll_timeout(), self.accept_at, plain]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.accept_at = self.accept_at.filter(|at| *at > now);
        self.flows.handle_timeout(now);
        self.plain.handle_timeout(now);
        self.reap();
        self.writers.give_back();
    }

    /// The next thing that a connection tells.
    pub(super) fn poll_happening(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        if let Some(happening) = self.try_happening() {
            return Poll::Ready(happening);
        }
        let plain = self.plain.poll_happening(cx);
        self.credit();
        if plain.is_ready() {
            return plain;
        }
        match self.happenings.poll_recv(cx) {
            Poll::Ready(Some(happening)) => Poll::Ready(self.adopt(happening)),
            // A sender is kept here: there is always another.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn try_happening(&mut self) -> Option<Happening> {
        self.plain_first = !self.plain_first;
        let happening = match self.plain_first {
            true => self.try_plain().or_else(|| self.try_told()),
            false => self.try_told().or_else(|| self.try_plain()),
        };
        happening.map(|happening| self.adopt(happening))
    }

    fn try_plain(&mut self) -> Option<Happening> {
        let happening = self.plain.try_happening();
        self.credit();
        happening
    }

    fn try_told(&mut self) -> Option<Happening> {
        self.happenings.try_recv().ok()
    }

    /// A connection of ours without a handshake needs no task from here on.
    fn adopt(&mut self, happening: Happening) -> Happening {
        let Happening::Opened(flow, stream) = happening else {
            return happening;
        };
        // Else it was closed meanwhile.
        if self.writers.remove(&flow).is_some() {
            self.plain.adopt(flow, stream);
        }
        Happening::Connected(flow)
    }

    /// Writes what was said in this turn over connections that have no task.
    pub(super) fn write_out(&mut self, now: Instant) {
        self.plain.write_out(now);
        self.credit();
    }

    /// What went out waits no longer.
    fn credit(&mut self) {
        for (flow, octets) in self.plain.written() {
            self.flows.written(flow, octets);
        }
    }

    /// The next connection of somebody's; `None` after an error, which makes a pause.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Accepted>> {
        if self.accept_at.is_some() {
            return Poll::Pending;
        }
        for listener in &self.listeners {
            match listener.socket.poll_accept(cx) {
                Poll::Ready(Ok((stream, remote))) => {
                    return Poll::Ready(Some(Accepted {
                        transport: listener.transport,
                        local: listener.addr,
                        stream,
                        remote,
                    }));
                }
                Poll::Ready(Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.accept_at = Some(Instant::now() + ACCEPT_PAUSE);
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// The next connection that waits, if one does.
    pub(super) fn try_accept(&mut self) -> Option<Accepted> {
        match self.poll_accept(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(accepted) => accepted,
            Poll::Pending => None,
        }
    }

    pub(super) fn accept(&mut self, now: Instant, accepted: Accepted) {
        let Accepted {
            transport,
            local,
            stream,
            remote,
        } = accepted;
        let Some(local) = local.or_else(|| stream.local_addr().ok()) else {
            return;
        };
        let Some(flow) = self.flows.accepted(now, transport, local, remote) else {
            tracing::warn!(%remote, "there are too many connections: one more was closed");
            return;
        };
        if !transport.has_handshake() {
            return self.plain.adopt(flow, stream);
        }
        let (writer, mut packets) = mpsc::unbounded_channel();
        self.writers.insert(flow, writer);
        self.reap();
        let tell = self.tell.clone();
        let tls = self.tls.server().filter(|_| transport.is_secure());
        self.tasks.spawn(async move {
            let agreed = tokio::select! {
                agreed = agree(transport, tls, stream) => agreed,
                // It took too long: nothing is written before it is done.
                _ = packets.recv() => return,
            };
            if let Some(connected) = established(flow, agreed, &tell).await {
                connected.run(flow, packets, tell).await;
            }
        });
    }

    pub(super) fn connect(&mut self, flow: FlowId, local: SocketAddr, far: Hop) {
        let (writer, mut packets) = mpsc::unbounded_channel();
        self.writers.insert(flow, writer);
        let (tell, tls) = (self.tell.clone(), self.tls.clone());
        self.reap();
        self.tasks.spawn(async move {
            let made = async {
                let opened = open(local, far).await;
                let stream = opened.map_err(|error| error.to_string())?;
                if !far.transport.is_secure() {
                    return Ok(Made::Plain(stream));
                }
                let secured = secure(&tls, stream, far).await?;
                Ok(Made::Agreed(Connected::Tls(Box::new(secured))))
            };
            let made = tokio::select! {
                made = made => made,
                // Nothing is written yet, so this is the end.
                _ = packets.recv() => return,
            };
            let connected = match made {
                Ok(Made::Plain(stream)) => {
                    // Where nobody hears it, the agent is gone.
                    let _ = tell.send(Happening::Opened(flow, stream)).await;
                    return;
                }
                Ok(Made::Agreed(connected)) => Ok(connected),
                Err(why) => Err(why),
            };
            if let Some(connected) = established(flow, connected, &tell).await {
                connected.run(flow, packets, tell).await;
            }
        });
    }

    /// Forgets the tasks that have ended.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    pub(super) fn write(&mut self, flow: FlowId, packet: Packet) {
        if self.plain.has(flow) {
            self.plain.write(flow, packet);
        } else if let Some(writer) = self.writers.get(&flow) {
            // A task that is gone has told so.
            let _ = writer.send(packet);
        }
    }

    /// Closes a connection once all is written.
    pub(super) fn close(&mut self, flow: FlowId) {
        self.plain.close(Instant::now(), flow);
        self.writers.remove(&flow);
    }

    /// Closes everything and waits, for a moment, until what is to be written has left.
    pub(super) async fn farewell(mut self) {
        self.listeners.clear();
        self.writers.clear();
        drop(self.happenings);
        // Those that take longer are aborted.
        let _ = timeout(FAREWELL, async {
            self.plain.farewell().await;
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
        self.tasks.shutdown().await;
    }
}
