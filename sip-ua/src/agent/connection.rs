// SPDX-License-Identifier: MPL-2.0
//! One connection: made, and then read and written until either side closes it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::{IpAddr, ServerName};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::stream::Happening;
use super::tls::{Tls, refusal};
use crate::transaction::Packet;
use crate::transport::{FlowId, Hop, Proof};

/// Octets taken from a connection at once.
pub(super) const CHUNK: usize = 16 << 10;

/// Octets that are written before the agent's task is told: what it bounds is a megabyte.
const TOLD_AFTER: usize = 64 << 10;

/// Messages written at once, where so many wait.
pub(super) const TOGETHER: usize = 32;

/// How long what is written at once may take.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(32);

/// When the kernel begins to ask whether the far end is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What comes out of a connection.
pub(super) trait Reader: Send {
    /// The next octets; none at the end.
    fn read(&mut self) -> impl Future<Output = io::Result<Vec<u8>>> + Send;
}

/// What goes into one.
pub(super) trait Writer: Send {
    fn write(&mut self, packets: &[Packet]) -> impl Future<Output = io::Result<()>> + Send;
    /// Says that nothing more comes.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}

thread_local! {
    /// Where octets arrive. Most connections wait most of the time: room of their own would be held for
    /// nothing.
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// What has arrived, once something has.
async fn arrived(mut stream: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        ROOM.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(room);
            ready!(Pin::new(&mut stream).poll_read(cx, &mut room))?;
            Poll::Ready(Ok(room.filled().to_vec()))
        })
    })
    .await
}

/// All of them in one piece: each piece is a system call, and over TLS a record.
fn joined(packets: &[Packet]) -> Cow<'_, [u8]> {
    match packets {
        [packet] => Cow::Borrowed(packet),
        packets => Cow::Owned(packets.concat()),
    }
}

impl Reader for ReadHalf<TlsStream<TcpStream>> {
    async fn read(&mut self) -> io::Result<Vec<u8>> {
        arrived(self).await
    }
}

impl Writer for WriteHalf<TlsStream<TcpStream>> {
    async fn write(&mut self, packets: &[Packet]) -> io::Result<()> {
        self.write_all(&joined(packets)).await?;
        // What is encrypted and not yet sent stays with the stream otherwise.
        self.flush().await
    }

    async fn finish(&mut self) {
        let _ = self.shutdown().await;
    }
}

/// To `far`, from the listener's own address where it has a certain one.
pub(super) async fn open(local: SocketAddr, far: Hop) -> io::Result<TcpStream> {
    let socket = match far.addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    let stream = socket.connect(far.addr).await?;
    prepare(SockRef::from(&stream));
    Ok(stream)
}

/// For messages, and for far ends that vanish. Whoever is accepted has what the listener has.
pub(super) fn prepare(socket: SockRef<'_>) {
    // Without these it works as well, only later.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
}

/// TLS on a connection of ours. An error is a sentence about the far end.
pub(super) async fn secure(
    tls: &Tls,
    stream: TcpStream,
    far: Hop,
) -> Result<TlsStream<TcpStream>, String> {
    let name = match far.proof {
        Proof::Address | Proof::Connected => ServerName::IpAddress(IpAddr::from(far.addr.ip())),
        Proof::Domain(domain) => {
            let name = domain.name().ok_or("its name was forgotten meanwhile")?;
            ServerName::try_from(name.to_string())
                .map_err(|_| format!("{name} is no name that a certificate can have"))?
        }
    };
    let connector = TlsConnector::from(client(tls.clone()).await?);
    let secured = connector.connect(name, stream).await;
    secured
        .map(TlsStream::from)
        .map_err(|error| refusal(&error))
}

/// Reading the system's authorities would hold other tasks up.
async fn client(tls: Tls) -> Result<Arc<ClientConfig>, String> {
    let made = tokio::task::spawn_blocking(move || tls.client()).await;
    made.map_err(|error| error.to_string())?
}

/// TLS on a connection of theirs. An error is a sentence about the far end.
pub(super) async fn welcome(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let secured = TlsAcceptor::from(config).accept(stream).await;
    secured
        .map(TlsStream::from)
        .map_err(|error| refusal(&error))
}

/// Reads and writes until either side closes.
pub(super) async fn run(
    flow: FlowId,
    mut reader: impl Reader,
    mut writer: impl Writer,
    mut packets: mpsc::UnboundedReceiver<Packet>,
    tell: mpsc::Sender<Happening>,
) {
    let read = async {
        loop {
            let happening = match reader.read().await {
                Ok(chunk) if chunk.is_empty() => {
                    Happening::Closed(flow, "the far end closed the connection".to_owned())
                }
                Ok(chunk) => Happening::Received(flow, chunk),
                Err(error) => Happening::Closed(flow, refusal(&error)),
            };
            let last = matches!(happening, Happening::Closed(..));
            if tell.send(happening).await.is_err() || last {
                return;
            }
        }
    };
    let write = async {
        let mut together = Vec::new();
        let mut untold = 0;
        while packets.recv_many(&mut together, TOGETHER).await > 0 {
            untold += together.iter().map(|packet| packet.len()).sum::<usize>();
            let written = timeout(WRITE_WITHIN, writer.write(&together)).await;
            // Nothing is held while nothing is written.
            together = Vec::new();
            let failed = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the far end does not read what it is sent".to_owned()),
            };
            let happening = match failed {
                Some(why) => Happening::Closed(flow, why),
                None if untold < TOLD_AFTER => continue,
                None => Happening::Written(flow, std::mem::take(&mut untold)),
            };
            let last = matches!(happening, Happening::Closed(..));
            if (tell.send(happening).await.is_err() && packets.is_empty()) || last {
                break;
            }
        }
        writer.finish().await;
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
