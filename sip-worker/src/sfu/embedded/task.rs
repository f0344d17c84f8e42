// SPDX-License-Identifier: MPL-2.0
//! The SFU on a media thread of its own: its sockets, and the way to it for everybody else.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gstsipbridge::context::{Context, Cx, Mailbox, Notifier, Task, TaskHandle};
use gstsipbridge::rtc::{Certificate, leading_out};
use tokio::sync::oneshot;

use super::EmbeddedConfig;
use super::exchange::Exchange;

/// The media thread. What is forwarded waits for nothing, so it is not throttled by much.
const THREAD: &str = "sipbridge-sfu";
const ROUND: Duration = Duration::from_millis(1);
/// Datagrams read before something else has its turn.
const READ_MAX: usize = 64;
/// No packet of WebRTC is longer.
const DATAGRAM_MAX: usize = 2_048;

/// Something to be asked of the SFU, on its thread.
type Request = Box<dyn FnOnce(&mut Exchange, Instant) + Send>;

/// A running SFU; ends when dropped.
pub(super) struct Running {
    requests: Arc<Mailbox<Request>>,
    gone: Arc<AtomicBool>,
    task: TaskHandle,
}

impl Running {
    /// Opens the sockets and begins.
    pub(super) fn start(config: Arc<EmbeddedConfig>) -> io::Result<Running> {
        let certificate = Certificate::of_process()
            .ok_or_else(|| io::Error::other("no DTLS certificate can be made"))?;
        let sockets = open(&config)?;
        let hosts = sockets.iter().map(UdpSocket::local_addr);
        let hosts = hosts.collect::<io::Result<Vec<SocketAddr>>>()?;
        tracing::info!(sfu = config.name, ?hosts, "the embedded SFU is open");
        let context = Context::acquire(THREAD, ROUND).map_err(io::Error::other)?;
        let requests = Arc::new(Mailbox::default());
        let desk = Desk {
            exchange: Exchange::new(config, certificate, hosts.clone()),
            requests: requests.clone(),
            sockets: sockets.into_iter().zip(hosts).map(Socket::new).collect(),
            buffer: vec![0; DATAGRAM_MAX].into_boxed_slice(),
        };
        let gone = Arc::new(AtomicBool::new(false));
        let (over, unanswered) = (gone.clone(), requests.clone());
        let broken = move |reason: &str| {
            tracing::error!(reason, "the embedded SFU broke down");
            over.store(true, Ordering::SeqCst);
            // Whoever waits for an answer to these waits no longer.
            drop(unanswered.take());
        };
        let task = context.add_task(move |_| Box::new(desk), Some(Box::new(broken)));
        Ok(Running {
            requests,
            gone,
            task,
        })
    }

    /// Whether it still runs.
    pub(super) fn is_running(&self) -> bool {
        self.task.is_running()
    }

    /// Its media thread.
    pub(super) fn context(&self) -> Context {
        self.task.context()
    }

    /// A way to ask it that does not keep it running.
    pub(super) fn desk(&self) -> Asker {
        Asker {
            requests: self.requests.clone(),
            gone: self.gone.clone(),
            notifier: self.task.notifier(),
        }
    }
}

/// Asks a running SFU.
#[derive(Clone)]
pub(super) struct Asker {
    requests: Arc<Mailbox<Request>>,
    /// It broke down, and takes no requests any more.
    gone: Arc<AtomicBool>,
    notifier: Notifier,
}

impl Asker {
    /// Has this done, and waits for nothing.
    pub(super) fn tell(&self, request: impl FnOnce(&mut Exchange, Instant) + Send + 'static) {
        self.requests.post(Box::new(request));
        self.notifier.notify();
        if self.gone.load(Ordering::SeqCst) {
            drop(self.requests.take());
        }
    }

    /// Has this done. `None`: the SFU is gone.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Exchange, Instant) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.tell(move |exchange, now| {
            // Whoever asked may have given up.
            let _ = sender.send(request(exchange, now));
        });
        receiver.await.ok()
    }
}

/// A socket for each address, on the one port.
fn open(config: &EmbeddedConfig) -> io::Result<Vec<UdpSocket>> {
    let mut addresses = config.addresses.clone();
    if addresses.is_empty() {
        addresses = leading_out();
    }
    if addresses.is_empty() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    let mut port = config.port;
    let mut sockets = Vec::new();
    for address in addresses {
        let at = SocketAddr::new(address, port);
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{at}: {error}"));
        let socket = UdpSocket::bind(at).map_err(failed)?;
        socket.set_nonblocking(true)?;
        port = socket.local_addr()?.port();
        sockets.push(socket);
    }
    Ok(sockets)
}

struct Socket {
    socket: mio::net::UdpSocket,
    local: SocketAddr,
}

impl Socket {
    fn new((socket, local): (UdpSocket, SocketAddr)) -> Socket {
        Socket {
            socket: mio::net::UdpSocket::from_std(socket),
            local,
        }
    }
}

/// The task.
struct Desk {
    exchange: Exchange,
    requests: Arc<Mailbox<Request>>,
    sockets: Vec<Socket>,
    buffer: Box<[u8]>,
}

impl Desk {
    fn watch(&mut self, cx: &mut Cx<'_>) {
        for (token, socket) in self.sockets.iter_mut().enumerate() {
            if let Err(error) = cx.register(&mut socket.socket, token) {
                tracing::error!(local = %socket.local, %error, "cannot watch a socket of the SFU");
            }
        }
    }

    /// Sends what is to be sent.
    fn send(&mut self) {
        let sockets = &self.sockets;
        self.exchange.send(|datagram| {
            let socket = sockets.iter().find(|s| s.local == datagram.from);
            let sent = socket.map(|s| s.socket.send_to(&datagram.bytes, datagram.to));
            if let Some(Err(error)) = sent {
                // Lost, as it might have been on the way.
                tracing::trace!(to = %datagram.to, %error, "a packet was not sent");
            }
        });
    }

    /// Sends what is to be sent, and sets the next time.
    fn flush(&mut self, cx: &mut Cx<'_>) {
        self.send();
        match self.exchange.due() {
            Some(at) => cx.set_timer(at),
            None => cx.clear_timer(),
        }
    }
}

impl Task for Desk {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.watch(cx);
    }

    fn readable(&mut self, cx: &mut Cx<'_>, token: usize) {
        for read in 0.. {
            let Some(socket) = self.sockets.get(token) else {
                return;
            };
            if read == READ_MAX {
                cx.again(token);
                break;
            }
            match socket.socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    let bytes = self.buffer.get(..length).unwrap_or_default();
                    let local = socket.local;
                    self.exchange.receive(cx.now(), local, from, bytes);
                    // At once: what is sent makes room for what the next one leads to.
                    self.send();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // What ICMP says of a packet we sent.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    tracing::debug!(local = %socket.local, %error, "a socket of the SFU does not read");
                    break;
                }
            }
        }
        self.flush(cx);
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        self.exchange.timeout(cx.now());
        self.flush(cx);
    }

    fn notified(&mut self, cx: &mut Cx<'_>) {
        for request in self.requests.take() {
            // One that panics has no answer; the rooms go on.
            let (exchange, now) = (&mut self.exchange, cx.now());
            let done = catch_unwind(AssertUnwindSafe(move || request(exchange, now)));
            if done.is_err() {
                tracing::error!("a request of the embedded SFU broke down");
            }
        }
        self.flush(cx);
    }

    fn leave(&mut self, cx: &mut Cx<'_>) {
        for socket in &mut self.sockets {
            // Closing it would do as well.
            let _ = cx.deregister(&mut socket.socket);
        }
    }

    fn arrive(&mut self, cx: &mut Cx<'_>) {
        self.watch(cx);
    }
}
