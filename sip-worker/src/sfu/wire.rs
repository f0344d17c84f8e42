// SPDX-License-Identifier: MPL-2.0
//! To a server that is asked by HTTP/1.1: a connection over TCP or TLS, and the token that opens it.

use std::io;
use std::net::IpAddr;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use sip_ua::agent::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

/// Of a server's own words, so much is passed on.
const DETAIL: usize = 200;

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
    let (stream, _) = connect(url, tls).await?;
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

/// Connects to the server of a URL, by TLS where that is an `https:`. Returns our own address on the way there, too.
pub(super) async fn connect(url: &Url, tls: &Tls) -> io::Result<(Box<dyn Stream>, IpAddr)> {
    let nowhere = || io::Error::other("the URL names no host");
    let port = url.port_or_known_default().ok_or_else(nowhere)?;
    let host = match url.host().ok_or_else(nowhere)? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    // A request is one segment, and is waited for.
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?.ip().to_canonical();
    if url.scheme() != "https" {
        return Ok((Box::new(stream), local));
    }
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let config = tls.client().map_err(io::Error::other)?;
    let agreed = TlsConnector::from(config).connect(name, stream).await?;
    Ok((Box::new(agreed), local))
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
