// SPDX-License-Identifier: MPL-2.0
//! To a server that is asked by HTTP/1.1: a connection over TCP or TLS, and the token that opens it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use sip_ua::agent::Tls;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

/// Of a server's own words, so much is passed on.
const DETAIL: usize = 200;

/// What is wrong with somebody's JSON, without any value of it: a key may stand where another thing belongs.
pub(super) fn told_wrong(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let names_ours = ["missing field", "duplicate field"];
    match error.is_data() && !names_ours.iter().any(|ours| said.starts_with(ours)) {
        true => format!(
            "what stands at line {} column {} is no such thing",
            error.line(),
            error.column()
        ),
        false => said,
    }
}

/// When the kernel begins to ask whether a server that says nothing is still there, how often, and after how many
/// questions without an answer it is not.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const ASK_EVERY: Duration = Duration::from_secs(5);
const ASK_TIMES: u32 = 3;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody there, or cut off.
    Unreachable(String),
    Late,
    /// What came is no HTTP.
    Nonsense(String),
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Failure {
        if error.is_parse() {
            return Failure::Nonsense(error.to_string());
        }
        if error.is_incomplete_message() {
            return Failure::Unreachable("it closed the connection without an answer".to_owned());
        }
        Failure::Unreachable(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Unreachable(Tls::refusal(&error))
    }
}

/// A connection, and what keeps it going.
pub(super) struct Wire {
    pub(super) sender: SendRequest<Body>,
    pub(super) driver: JoinHandle<()>,
}

/// Connects, for requests to come.
pub(super) async fn open(url: &Url, tls: &Tls) -> Result<Wire, Failure> {
    let stream = connect(url, tls).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%error, "a connection to the server of an SFU broke");
        }
    });
    Ok(Wire { sender, driver })
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to the server of a URL, by TLS where that is an `https:`.
pub(super) async fn connect(url: &Url, tls: &Tls) -> io::Result<Box<dyn Stream>> {
    let (host, port) = place(url)?;
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    // A request is one segment, and is waited for.
    stream.set_nodelay(true)?;
    // Without this it works as well, but some answers go on for hours, and whoever vanishes ends none.
    let asking = TcpKeepalive::new().with_time(KEEP_ALIVE);
    let asking = asking.with_interval(ASK_EVERY).with_retries(ASK_TIMES);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&asking);
    if url.scheme() != "https" {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let config = tls.client().map_err(io::Error::other)?;
    let agreed = TlsConnector::from(config).connect(name, stream).await?;
    Ok(Box::new(agreed))
}

/// Our own address on the way to the server of a URL, of the same kind (IPv4, IPv6) as `like`. Nothing is sent.
pub(super) async fn address_towards(url: &Url, like: IpAddr) -> io::Result<IpAddr> {
    let (host, port) = place(url)?;
    let servers = lookup_host((host.as_str(), port)).await?;
    let (any, kind) = match like {
        IpAddr::V4(_) => (IpAddr::from(Ipv4Addr::UNSPECIFIED), "IPv4"),
        IpAddr::V6(_) => (IpAddr::from(Ipv6Addr::UNSPECIFIED), "IPv6"),
    };
    let mut servers = servers.filter(|server| server.is_ipv4() == like.is_ipv4());
    let server = servers.next().ok_or_else(|| {
        io::Error::other(format!(
            "{host} has no {kind} address by which ours could be found; `advertise` names it"
        ))
    })?;
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket.local_addr()?.ip())
}

/// Where the server of a URL is.
fn place(url: &Url) -> io::Result<(String, u16)> {
    let nowhere = || io::Error::other("the URL names no host");
    let port = url.port_or_known_default().ok_or_else(nowhere)?;
    let host = match url.host().ok_or_else(nowhere)? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Ok((host, port))
}

/// What a refusal says of itself: its status, and a line of text where there is one, or the field of a JSON
/// object that holds it. A token that it repeats is left out.
pub(super) fn reason(status: StatusCode, said: &str, token: Option<&SecretString>) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(said).ok();
    let field = |name: &str| json.as_ref()?.get(name)?.as_str();
    let fields = ["error", "detail", "title", "message"];
    let said = fields.into_iter().find_map(field).unwrap_or(said);
    let said = match token {
        Some(token) => said.replace(token.expose_secret(), "***"),
        None => said.to_owned(),
    };
    let line: String = said
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(DETAIL)
        .collect();
    match line.trim() {
        "" => status.to_string(),
        line => format!("{status}: {line}"),
    }
}

/// `Bearer …`, marked so that nothing prints it. `None`: no header can hold this token.
pub(super) fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn our_address_is_of_the_kind_that_media_have() {
        // As many servers are reached: by the name of both loopbacks.
        let url: Url = "http://localhost:7000/rtp".parse().unwrap();
        let ours = address_towards(&url, Ipv4Addr::UNSPECIFIED.into()).await;
        assert_eq!(ours.unwrap(), Ipv4Addr::LOCALHOST);
        let url: Url = "http://[::1]:7000/rtp".parse().unwrap();
        let ours = address_towards(&url, Ipv6Addr::UNSPECIFIED.into()).await;
        assert_eq!(ours.unwrap(), Ipv6Addr::LOCALHOST);
        let refused = address_towards(&url, Ipv4Addr::UNSPECIFIED.into()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("::1 has no IPv4 address"), "{refused}");
    }
}
