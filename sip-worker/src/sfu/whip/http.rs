// SPDX-License-Identifier: MPL-2.0
//! HTTP/1.1 towards a server of WHIP or WHEP: one request at a time, with the bearer token, within its time.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use secrecy::SecretString;
use sip_ua::agent::Tls;
use tokio::time::timeout;
use url::{Origin, Url};

pub(super) use crate::sfu::wire::Failure;

use crate::sfu::wire;

/// A session description of a large conference is a tenth of that.
const LONGEST_BODY: usize = 1 << 20;
/// RFC 9725 section 4.5: a server may send clients on.
const REDIRECTS: usize = 3;

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// Who gave it, after whatever redirections there were.
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, where it is of this media type.
    pub(super) fn text_of(&self, kind: &str) -> Option<&str> {
        let said = self.header(header::CONTENT_TYPE)?.split(';').next()?;
        let fits = said.trim().eq_ignore_ascii_case(kind);
        fits.then(|| std::str::from_utf8(&self.body).ok())?
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Of the endpoint that the operator named: the one place that the token is meant for.
    home: Origin,
    pub(super) headers: Vec<(header::HeaderName, HeaderValue)>,
    pub(super) body: String,
}

impl Ask {
    /// Asks an endpoint that the operator named.
    pub(super) fn of_endpoint(method: Method, url: Url) -> Ask {
        let home = url.origin();
        Ask::of_session(method, url, home)
    }

    /// Asks for what an endpoint at `home` said to be at `url`, which may be anywhere.
    pub(super) fn of_session(method: Method, url: Url, home: Origin) -> Ask {
        Ask {
            method,
            url,
            home,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// With a body of this media type.
    pub(super) fn with(mut self, kind: &'static str, body: String) -> Ask {
        self.headers
            .push((header::CONTENT_TYPE, HeaderValue::from_static(kind)));
        self.body = body;
        self
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Ask {
        self.headers.push((name, value));
        self
    }
}

/// Asks servers, as whoever the token says.
pub(super) struct Http {
    tls: Tls,
    /// `Bearer …`, marked so that nothing prints it.
    authorization: Option<HeaderValue>,
    patience: Duration,
}

/// A connection to a server. Closed when dropped.
pub(super) struct Wire(wire::Wire);

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.driver.abort();
    }
}

impl Wire {
    /// Waits until the server closes it, or is no more.
    pub(super) async fn closed(&mut self) {
        // That the driver breaks down comes to the same.
        let _ = (&mut self.0.driver).await;
    }
}

impl Http {
    pub(super) fn new(tls: Tls, token: Option<&SecretString>, patience: Duration) -> Http {
        Http {
            tls,
            authorization: token.and_then(wire::bearer),
            patience,
        }
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Asks once, by a connection of its own, and follows whoever sends us on.
    pub(super) async fn ask(&self, mut ask: Ask) -> Result<Reply, Failure> {
        let asked = async {
            for _ in 0..=REDIRECTS {
                let mut wire = self.open(&ask.url).await?;
                let reply = self.exchange(&mut wire, &ask).await?;
                let moved = matches!(
                    reply.status,
                    StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
                );
                if !moved {
                    return Ok(reply);
                }
                ask.url = onward(&reply)?;
            }
            Err(Failure::Nonsense(
                "it sends us from one place to the next".to_owned(),
            ))
        };
        timeout(self.patience, asked)
            .await
            .unwrap_or(Err(Failure::Late))
    }

    /// Connects, for requests to come.
    pub(super) async fn connect(&self, url: &Url) -> Result<Wire, Failure> {
        let opened = timeout(self.patience, self.open(url)).await;
        opened.unwrap_or(Err(Failure::Late))
    }

    /// Asks by a connection that is there.
    pub(super) async fn ask_by(&self, wire: &mut Wire, ask: &Ask) -> Result<Reply, Failure> {
        let asked = timeout(self.patience, self.exchange(wire, ask)).await;
        asked.unwrap_or(Err(Failure::Late))
    }

    async fn exchange(&self, wire: &mut Wire, ask: &Ask) -> Result<Reply, Failure> {
        let request = self.request(ask)?;
        let response = wire.0.sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = to_bytes(Body::new(body), LONGEST_BODY)
            .await
            .map_err(|error| {
                Failure::Nonsense(format!("its answer breaks off or does not end: {error}"))
            })?;
        Ok(Reply {
            url: ask.url.clone(),
            status: head.status,
            headers: head.headers,
            body: body.to_vec(),
        })
    }

    fn request(&self, ask: &Ask) -> Result<Request<Body>, Failure> {
        let target = &ask.url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &ask.url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(target)
            .header(header::HOST, authority)
            .header(
                header::USER_AGENT,
                concat!("sipbridge/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        // Whoever we are sent on to learns the token only where nobody on the way can read it: by a redirection, or
        // by the Location of a session.
        let entrusted = ask.url.scheme() == "https" || ask.url.origin() == ask.home;
        if let Some(authorization) = self.authorization.as_ref().filter(|_| entrusted) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request
            .body(Body::from(ask.body.clone()))
            .map_err(|error| Failure::Nonsense(error.to_string()))
    }

    async fn open(&self, url: &Url) -> Result<Wire, Failure> {
        let wire = wire::open(url, &self.tls).await?;
        Ok(Wire(wire))
    }
}

/// Where a redirection leads: never from TLS to none (RFC 9725 section 4.5).
fn onward(reply: &Reply) -> Result<Url, Failure> {
    let nowhere = |what: &str| Failure::Nonsense(format!("it sends us on {what}"));
    let location = reply
        .header(header::LOCATION)
        .ok_or_else(|| nowhere("and does not say where"))?;
    let url = reply
        .url
        .join(location)
        .map_err(|_| nowhere("to what is no URL"))?;
    let kept = url.scheme() == reply.url.scheme() || url.scheme() == "https";
    let known = matches!(url.scheme(), "http" | "https");
    match kept && known {
        true => Ok(url),
        false => Err(nowhere("to where nothing is encrypted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_elsewhere_learns_the_token_only_by_tls() {
        let token = SecretString::from("sesame".to_owned());
        let http = Http::new(Tls::default(), Some(&token), Duration::from_secs(1));
        let home: Url = "http://sfu.example/whip".parse().unwrap();
        for (place, told) in [
            ("http://sfu.example/session/7", true),
            ("http://sfu.example:80/session/7", true),
            ("https://other.example/session/7", true),
            ("http://sfu.example:8080/session/7", false),
            ("http://other.example/session/7", false),
        ] {
            for method in [Method::DELETE, Method::PATCH, Method::OPTIONS] {
                let ask = Ask::of_session(method, place.parse().unwrap(), home.origin());
                let request = http.request(&ask).unwrap();
                let tells = request.headers().contains_key(header::AUTHORIZATION);
                assert_eq!(tells, told, "{} {place}", ask.method);
            }
        }
    }
}
