// SPDX-License-Identifier: MPL-2.0
//! A request to the operator's server over HTTP/1.1, a connection for each.

use std::net::IpAddr;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response};
use secrecy::SecretString;
use sip_ua::agent::Tls;
use url::{Position, Url};

use crate::sfu::wire::{self, Failure};

/// A server, by its URL.
pub(super) struct Server {
    url: Url,
    token: Option<HeaderValue>,
    /// Whose certificates are believed where the URL is `https:`.
    tls: Tls,
}

impl Server {
    pub(super) fn new(url: Url, token: Option<&SecretString>, tls: Tls) -> Server {
        Server {
            url,
            token: token.and_then(wire::bearer),
            tls,
        }
    }

    /// Connects, to see whether anybody is there.
    pub(super) async fn reach(&self) -> Result<(), Failure> {
        drop(wire::connect(&self.url, &self.tls).await?);
        Ok(())
    }

    /// Our own address on the way there, of the same kind (IPv4, IPv6) as `like`.
    pub(super) async fn address_towards(&self, like: IpAddr) -> Result<IpAddr, Failure> {
        Ok(wire::address_towards(&self.url, like).await?)
    }

    /// Posts JSON.
    pub(super) async fn post(&self, json: String) -> Result<Response<Incoming>, Failure> {
        // Ends with the answer, or when nobody reads that any more.
        let mut wire = wire::open(&self.url, &self.tls).await?;
        let mut request = Request::post(&self.url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &self.url[Position::BeforeHost..Position::AfterPort])
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(Body::from(json));
        let request = request.map_err(|error| Failure::Unreachable(error.to_string()))?;
        Ok(wire.sender.send_request(request).await?)
    }
}
