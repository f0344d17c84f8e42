// SPDX-License-Identifier: MPL-2.0
//! HTTPS: connections whose far ends have agreed on TLS, for axum to serve.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use sip_ua::agent::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Whoever connects has so long for the handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Handshakes under way at a time; further connections wait for their turn.
const HANDSHAKES_MAX: usize = 512;

type Connection = (TlsStream<TcpStream>, SocketAddr);

/// A port that speaks TLS.
pub(super) struct SecureListener {
    tcp: TcpListener,
    tls: Tls,
    under_way: JoinSet<Option<Connection>>,
}

impl SecureListener {
    /// What `tls` shows counts for each connection when it is made.
    pub(super) fn new(tcp: TcpListener, tls: Tls) -> SecureListener {
        SecureListener {
            tcp,
            tls,
            under_way: JoinSet::new(),
        }
    }
}

impl Listener for SecureListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        loop {
            tokio::select! {
                (stream, from) = Listener::accept(&mut self.tcp), if self.under_way.len() < HANDSHAKES_MAX => {
                    self.under_way.spawn(agree(self.tls.clone(), stream, from));
                }
                Some(done) = self.under_way.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

async fn agree(tls: Tls, stream: TcpStream, from: SocketAddr) -> Option<Connection> {
    let acceptor = TlsAcceptor::from(tls.server()?);
    let agreed = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await;
    let agreed = agreed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    // A browser that does not believe a certificate says so in this way, and asks its user.
    let noted = agreed.inspect_err(|error| tracing::debug!(%from, %error, "no TLS came about"));
    Some((noted.ok()?, from))
}
