// SPDX-License-Identifier: MPL-2.0
//! TCP: listeners, and a task for each connection that reads and writes. What is said over which
//! connection is [`Flows`]' business.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, SockRef, TcpKeepalive, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::transaction::Packet;
use crate::transport::{FlowId, FlowLimits, Flows};

/// Octets taken from a connection at once.
const CHUNK: usize = 16 << 10;

/// Chunks that may wait for the agent's task; then connections wait.
const HAPPENINGS: usize = 64;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long one message may take to be written.
const WRITE_WITHIN: Duration = Duration::from_secs(32);

/// When the kernel begins to ask whether the far end is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// After an error that accepting shows, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long what was written last may take to leave when the agent closes.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a connection's task tells.
pub(super) enum Happening {
    Connected(FlowId),
    Received(FlowId, Vec<u8>),
    Written(FlowId, usize),
    Closed(FlowId, String),
}

pub(super) struct Streams {
    listeners: Vec<TcpListener>,
    /// Not to be asked before this.
    accept_at: Option<Instant>,
    pub(super) flows: Flows,
    /// Dropping a sender closes the connection once all is written.
    writers: HashMap<FlowId, mpsc::UnboundedSender<Packet>>,
    tasks: JoinSet<()>,
    tell: mpsc::Sender<Happening>,
    happenings: mpsc::Receiver<Happening>,
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
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Streams {
    pub(super) fn new(listeners: Vec<TcpListener>) -> Streams {
        let (tell, happenings) = mpsc::channel(HAPPENINGS);
        Streams {
            listeners,
            accept_at: None,
            flows: Flows::new(FlowLimits::default()),
            writers: HashMap::new(),
            tasks: JoinSet::new(),
            tell,
            happenings,
        }
    }

    /// When something is due.
    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        [self.flows.poll_timeout(), self.accept_at]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.accept_at = self.accept_at.filter(|at| *at > now);
        self.flows.handle_timeout(now);
    }

    /// The next thing that a connection tells.
    pub(super) fn poll_happening(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        match self.happenings.poll_recv(cx) {
            Poll::Ready(Some(happening)) => Poll::Ready(happening),
            // A sender is kept here: there is always another.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn try_happening(&mut self) -> Option<Happening> {
        self.happenings.try_recv().ok()
    }

    /// The next connection of somebody's; `None` after an error, which makes a pause.
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(TcpStream, SocketAddr)>> {
        if self.accept_at.is_some() {
            return Poll::Pending;
        }
        for listener in &self.listeners {
            match listener.poll_accept(cx) {
                Poll::Ready(Ok(accepted)) => return Poll::Ready(Some(accepted)),
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

    pub(super) fn accept(&mut self, now: Instant, stream: TcpStream, remote: SocketAddr) {
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let Some(flow) = self.flows.accepted(now, local, remote) else {
            tracing::warn!(%remote, "there are too many connections: one more was closed");
            return;
        };
        let (writer, packets) = mpsc::unbounded_channel();
        self.writers.insert(flow, writer);
        self.reap();
        self.tasks
            .spawn(run(flow, stream, packets, self.tell.clone()));
    }

    pub(super) fn connect(&mut self, flow: FlowId, local: SocketAddr, remote: SocketAddr) {
        let (writer, mut packets) = mpsc::unbounded_channel();
        self.writers.insert(flow, writer);
        let tell = self.tell.clone();
        self.reap();
        self.tasks.spawn(async move {
            let connected = tokio::select! {
                connected = open(local, remote) => connected,
                // Nothing is written yet, so this is the end.
                _ = packets.recv() => return,
            };
            let first = match &connected {
                Ok(_) => Happening::Connected(flow),
                Err(error) => Happening::Closed(flow, error.to_string()),
            };
            if tell.send(first).await.is_ok()
                && let Ok(stream) = connected
            {
                run(flow, stream, packets, tell).await;
            }
        });
    }

    /// Forgets the tasks that have ended.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    pub(super) fn write(&mut self, flow: FlowId, packet: Packet) {
        if let Some(writer) = self.writers.get(&flow) {
            // A task that is gone has told so.
            let _ = writer.send(packet);
        }
    }

    /// Closes a connection once all is written.
    pub(super) fn close(&mut self, flow: FlowId) {
        self.writers.remove(&flow);
    }

    /// Closes everything and waits, for a moment, until what is to be written has left.
    pub(super) async fn farewell(mut self) {
        self.listeners.clear();
        self.writers.clear();
        drop(self.happenings);
        // Those that take longer are aborted.
        let _ = timeout(FAREWELL, async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await;
        self.tasks.shutdown().await;
    }
}

/// From the listener's own address, where it has a certain one.
async fn open(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = match remote {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    socket.connect(remote).await
}

/// Reads and writes until either side closes.
async fn run(
    flow: FlowId,
    mut stream: TcpStream,
    mut packets: mpsc::UnboundedReceiver<Packet>,
    tell: mpsc::Sender<Happening>,
) {
    let socket = SockRef::from(&stream);
    // Without these it works as well, only later.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
    let (reader, mut writer) = stream.split();
    let read = async {
        loop {
            let chunk = match reader.readable().await {
                Ok(()) => read_chunk(&reader),
                Err(error) => Err(error),
            };
            let happening = match chunk {
                Ok(Some(chunk)) if chunk.is_empty() => {
                    Happening::Closed(flow, "the far end closed the connection".to_owned())
                }
                Ok(Some(chunk)) => Happening::Received(flow, chunk),
                Ok(None) => continue,
                Err(error) => Happening::Closed(flow, error.to_string()),
            };
            let last = matches!(happening, Happening::Closed(..));
            if tell.send(happening).await.is_err() || last {
                return;
            }
        }
    };
    let write = async {
        while let Some(packet) = packets.recv().await {
            let written = timeout(WRITE_WITHIN, writer.write_all(&packet)).await;
            let failed = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the far end does not read what it is sent".to_owned()),
            };
            let happening = match failed {
                Some(why) => Happening::Closed(flow, why),
                None => Happening::Written(flow, packet.len()),
            };
            let last = matches!(happening, Happening::Closed(..));
            if (tell.send(happening).await.is_err() && packets.is_empty()) || last {
                break;
            }
        }
        // The far end may have closed it first.
        let _ = writer.shutdown().await;
    };
    // The last answers are written even when the far end has nothing more to say; the agent's task
    // closes the channel when it has heard of that.
    let read_then_wait = async {
        read.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = read_then_wait => {}
        () = write => {}
    }
}

/// What waits to be read; empty at the end of the stream, `None` if it was a false alarm.
fn read_chunk(reader: &tokio::net::tcp::ReadHalf<'_>) -> io::Result<Option<Vec<u8>>> {
    // Made only when there is something: most connections wait most of the time.
    let mut chunk = vec![0; CHUNK];
    match reader.try_read(&mut chunk) {
        Ok(length) => {
            chunk.truncate(length);
            chunk.shrink_to_fit();
            Ok(Some(chunk))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
