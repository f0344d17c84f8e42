// SPDX-License-Identifier: MPL-2.0
//! The WebSocket of a telephone at an edge proxy. Our user agent opens none, as browsers do; so somebody opens one
//! to either, and passes on what they say.

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use sip_ua::agent::Tls;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// As long as it lives, each hears what the other says.
pub struct WebSocketLine {
    /// Whence the telephone hears the edge.
    pub edge_seen: SocketAddr,
    /// Whence the edge hears the telephone.
    pub telephone_seen: SocketAddr,
    passing: JoinHandle<()>,
}

impl WebSocketLine {
    /// Between a telephone that listens for `wss:`, and an edge that does.
    pub async fn open(telephone: SocketAddr, edge: SocketAddr, tls: &Tls) -> Result<WebSocketLine> {
        let (mut near, edge_seen) = open(telephone, tls).await.context("the telephone")?;
        let (mut far, telephone_seen) = open(edge, tls).await.context("the edge")?;
        // The telephone may speak only once it knows of its end.
        near.send(Message::text(greeting(edge_seen))).await?;
        let answer = near.next().await.context("the telephone closed it")??;
        let is_there = answer.to_text()?.starts_with("SIP/2.0 200 ");
        ensure!(is_there, "the telephone says {answer}");
        let passing = tokio::spawn(async move {
            loop {
                let passed = tokio::select! {
                    Some(Ok(said)) = near.next() => far.send(said).await,
                    Some(Ok(said)) = far.next() => near.send(said).await,
                    else => return,
                };
                if passed.is_err() {
                    return;
                }
            }
        });
        Ok(WebSocketLine {
            edge_seen,
            telephone_seen,
            passing,
        })
    }
}

impl Drop for WebSocketLine {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

/// The socket, and its own address.
async fn open(to: SocketAddr, tls: &Tls) -> Result<(Socket, SocketAddr)> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let own = stream.local_addr()?;
    let mut request = format!("wss://{to}/").into_client_request()?;
    let sip = HeaderValue::from_static("sip");
    request.headers_mut().insert("Sec-WebSocket-Protocol", sip);
    let config = tls.client().map_err(anyhow::Error::msg)?;
    let tls = Some(Connector::Rustls(config));
    let (socket, _) = client_async_tls_with_config(request, stream, None, tls).await?;
    Ok((socket, own))
}

/// Who asks for nothing but an answer.
fn greeting(own: SocketAddr) -> String {
    format!(
        "OPTIONS sip:telephone.invalid SIP/2.0\r\nVia: SIP/2.0/WSS {own};branch=z9hG4bKgreeting\r\n\
         Max-Forwards: 70\r\nFrom: <sip:line@{own}>;tag=greeting\r\nTo: <sip:telephone.invalid>\r\n\
         Call-ID: greeting@{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}
