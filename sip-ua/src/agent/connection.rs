// SPDX-License-Identifier: MPL-2.0
//! One connection: made, and then read and written until either side closes it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
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
const CHUNK: usize = 16 << 10;

/// The same over TLS, where the room for them is held while nothing comes.
const TLS_CHUNK: usize = 4 << 10;

/// How long one message may take to be written.
const WRITE_WITHIN: Duration = Duration::from_secs(32);

/// When the kernel begins to ask whether the far end is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What comes out of a connection.
pub(super) trait Reader: Send {
    /// The next octets; none at the end.
    fn read(&mut self) -> impl Future<Output = io::Result<Vec<u8>>> + Send;
}

/// What goes into one.
pub(super) trait Writer: Send {
    fn write(&mut self, packet: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Says that nothing more comes.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}

impl Reader for OwnedReadHalf {
    async fn read(&mut self) -> io::Result<Vec<u8>> {
        loop {
            self.readable().await?;
            // Made only when there is something: most connections wait most of the time.
            let mut chunk = vec![0; CHUNK];
            match self.try_read(&mut chunk) {
                Ok(length) => {
                    chunk.truncate(length);
                    chunk.shrink_to_fit();
                    return Ok(chunk);
                }
                // It was a false alarm.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Writer for OwnedWriteHalf {
    async fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        self.write_all(packet).await
    }

    async fn finish(&mut self) {
        // The far end may have closed it first.
        let _ = self.shutdown().await;
    }
}

impl Reader for ReadHalf<TlsStream<TcpStream>> {
    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = vec![0; TLS_CHUNK];
        let length = AsyncReadExt::read(self, &mut chunk).await?;
        chunk.truncate(length);
        Ok(chunk)
    }
}

impl Writer for WriteHalf<TlsStream<TcpStream>> {
    async fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        self.write_all(packet).await?;
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
    prepare(&stream);
    Ok(stream)
}

/// For messages, and for far ends that vanish.
pub(super) fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
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
        while let Some(packet) = packets.recv().await {
            let written = timeout(WRITE_WITHIN, writer.write(&packet)).await;
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
