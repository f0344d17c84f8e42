// SPDX-License-Identifier: MPL-2.0
//! The little HTTP that `sip-worker dial` and `sip-worker calls` need to ask a worker.

use std::io;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sip_ua::agent::Tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// An answer larger than this is no answer of ours.
const LONGEST: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Not a URL we can ask.
    #[error("{0:?} is not of the form http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// Nobody there, or cut off.
    #[error(
        "no worker answers at {url}: {why}; is 'sip-worker run' up, and its [http] listen the same?"
    )]
    Reach {
        /// Whom we asked.
        url: String,
        /// What the system says.
        why: String,
    },
    /// It takes too long.
    #[error("the worker at {0} did not answer within 30 s")]
    Late(String),
    /// Not what we speak.
    #[error("what answers at {0} is no sip-worker")]
    Foreign(String),
    /// It said no.
    #[error("{error}; {hint}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What is wrong.
        error: String,
        /// What to do about it.
        hint: String,
    },
}

/// Where a worker's API is and what opens it.
pub struct Client {
    url: String,
    token: SecretString,
    /// Whose certificates are believed.
    tls: Tls,
}

impl Client {
    /// `url` as in `http://127.0.0.1:8080`; over `https:` the worker has to show a certificate that `tls`
    /// believes.
    pub fn new(url: &str, token: SecretString, tls: Tls) -> Client {
        Client {
            url: url.trim_end_matches('/').to_owned(),
            token,
            tls,
        }
    }

    /// Asks once; returns the JSON of a success.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, AskError> {
        let (secure, address) = match self.url.split_once("://") {
            Some(("http", address)) => (false, address),
            Some(("https", address)) => (true, address),
            _ => return Err(AskError::Url(self.url.clone())),
        };
        if address.contains(['/', '@', ' ']) {
            return Err(AskError::Url(self.url.clone()));
        }
        let body = body.map(serde_json::Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.token.expose_secret(),
            body.len(),
        );
        let exchange = async {
            let mut stream = self.connect(address, secure).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(LONGEST).read_to_end(&mut answer).await?;
            Ok(answer)
        };
        let answer = timeout(PATIENCE, exchange)
            .await
            .map_err(|_| AskError::Late(self.url.clone()))?
            .map_err(|error: io::Error| AskError::Reach {
                url: self.url.clone(),
                why: Tls::refusal(&error),
            })?;
        let (status, json) = read(&answer).ok_or_else(|| AskError::Foreign(self.url.clone()))?;
        if (200..300).contains(&status) {
            return Ok(json);
        }
        let word = |field: &str| {
            json.get(field)
                .and_then(|v| v.as_str())
                .unwrap_or("refused")
                .to_owned()
        };
        Err(AskError::Refused {
            status,
            error: word("error"),
            hint: word("hint"),
        })
    }
}

/// A connection, over TLS or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    async fn connect(&self, address: &str, secure: bool) -> io::Result<Box<dyn Stream>> {
        let authority = match secure && address.rsplit_once(':').is_none() {
            true => format!("{address}:443"),
            false => address.to_owned(),
        };
        let stream = TcpStream::connect(&authority).await?;
        if !secure {
            return Ok(Box::new(stream));
        }
        let host = authority.rsplit_once(':').map_or("", |(host, _)| host);
        let name = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let config = self.tls.client().map_err(io::Error::other)?;
        let agreed = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Box::new(agreed))
    }
}

/// Status and JSON of an answer whose body has a Content-Length or ends with the connection.
fn read(answer: &[u8]) -> Option<(u16, serde_json::Value)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at(end);
    let head = std::str::from_utf8(head).ok()?;
    let status = head
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let body = rest.get(4..)?;
    let json = if body.is_empty() {
        serde_json::Value::Null
    } else {
        serde_json::from_slice(body).ok()?
    };
    Some((status, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_or_known_to_be_foreign() {
        let (status, json) =
            read(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!((status, json["a"].as_u64()), (200, Some(1)));
        assert_eq!(
            read(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(),
            (204, serde_json::Value::Null)
        );
        assert!(read(b"SSH-2.0-OpenSSH\r\n\r\n").is_none());
        assert!(read(b"HTTP/1.1 200 OK\r\n\r\n<html>").is_none());
    }
}
