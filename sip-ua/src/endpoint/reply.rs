// SPDX-License-Identifier: MPL-2.0
//! Responses on their way out.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Instant;

use super::Endpoint;
use super::provisional::supported;
use super::send::{ALLOW, ServerUse};
use crate::transaction::{Path, ServerId, ServerKey, ServerStart};
use crate::transport::Arrival;
use crate::wire::{Core, HeaderName, Method, Request, Response, Via, tagged};

impl Endpoint {
    /// A response with our Server header and, above 100, a To tag.
    pub(super) fn response(&self, request: &Request, status: u16, tag: &[u8]) -> Response {
        let mut response = request.response(status);
        if status > 100 {
            add_to_tag(&mut response, tag);
        }
        response
            .headers
            .push(HeaderName::Server, self.config.user_agent.as_str());
        response
    }

    /// The To tag of answers that leave no memory behind (§8.2.7): the same for each
    /// retransmission, and nobody else's guess.
    fn stateless_tag(&self, headers: &crate::wire::Headers) -> Vec<u8> {
        let mut hasher = DefaultHasher::new();
        self.tag_secret.hash(&mut hasher);
        for name in [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            headers.get(name).hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish()).into_bytes()
    }

    /// Answers a request and forgets it. A repetition is answered the same way, so nobody can fill
    /// our memory with what we refuse.
    pub(super) fn answer_stateless(
        &mut self,
        path: Path,
        request: &Request,
        status: u16,
        adorn: impl FnOnce(&mut Response),
    ) {
        let tag = self.stateless_tag(&request.headers);
        let mut response = self.response(request, status, &tag);
        adorn(&mut response);
        self.transmit(path, response.to_bytes().into());
    }

    /// The answer to what could not be read, as far as the reader could make it.
    pub(super) fn answer_unreadable(&mut self, arrival: Arrival, mut response: Response) {
        let top = response.headers.list(HeaderName::Via).next();
        let path = match top.map(Via::parse) {
            None => return,
            Some(Ok(mut via)) => {
                let path = mark_source(&mut via, arrival);
                response.headers.set_top_via(&via);
                path
            }
            // As it came, and whence it came: whoever wrote it may know it again.
            Some(Err(_)) => Path {
                transport: arrival.transport,
                local: arrival.local,
                remote: arrival.source,
                flow: arrival.flow,
                proof: arrival.hop().proof,
            },
        };
        let tag = self.stateless_tag(&response.headers);
        add_to_tag(&mut response, &tag);
        response
            .headers
            .push(HeaderName::Server, self.config.user_agent.as_str());
        self.transmit(path, response.to_bytes().into());
    }

    /// Answers a request within a dialog at once, in a transaction that repeats the answer.
    pub(super) fn answer_within(
        &mut self,
        now: Instant,
        path: Path,
        request: &Request,
        core: &Core,
        status: u16,
        adorn: impl FnOnce(&mut Response),
    ) {
        if self.table.server_count() >= self.config.limits.max_transactions {
            self.answer_stateless(path, request, status, adorn);
            return;
        }
        let mut response = self.response(request, status, b"");
        adorn(&mut response);
        let key = ServerKey::of_request(request, core);
        let user = ServerUse { call: None };
        let server = self.table.start_server(ServerStart {
            key,
            merge: None,
            path,
            user,
        });
        self.table
            .respond(now, server, status, response.to_bytes().into());
    }

    /// Answers an INVITE whose transaction waits.
    pub(super) fn answer_invite(&mut self, now: Instant, server: ServerId, response: &Response) {
        self.table
            .respond(now, server, response.status, response.to_bytes().into());
    }
}

/// Writes into a request's top Via where it really came from, and says where the answer goes
/// (RFC 3261 §18.2.1–18.2.2, RFC 3581 §4). `maddr` is not followed: it would let a stranger aim our
/// answers at others.
pub(super) fn mark_source(via: &mut Via, arrival: Arrival) -> Path {
    let source = arrival.source;
    let rport = via.wants_rport();
    if rport {
        via.params.set("rport", source.port().to_string());
    }
    if rport || via.host.ip() != Some(source.ip()) {
        via.params.set("received", source.ip().to_string());
    }
    // A connection's far port is nothing to connect to, should it close before the answer is there.
    let remote = if rport && arrival.flow.is_none() {
        source
    } else {
        SocketAddr::new(
            source.ip(),
            via.port.filter(|port| *port != 0).unwrap_or(5060),
        )
    };
    Path {
        transport: arrival.transport,
        local: arrival.local,
        remote,
        flow: arrival.flow,
        proof: arrival.hop().proof,
    }
}

fn add_to_tag(response: &mut Response, tag: &[u8]) {
    if tag.is_empty() {
        return;
    }
    let to = response.headers.get(HeaderName::To);
    if let Some(to) = to.and_then(|to| tagged(to, tag)) {
        response.headers.set(HeaderName::To, to);
    }
}

pub(super) fn allow(response: &mut Response) {
    response.headers.push(HeaderName::Allow, ALLOW);
}

/// What OPTIONS is answered with (§11.2).
pub(super) fn capabilities(response: &mut Response) {
    allow(response);
    response.headers.push(HeaderName::Accept, "application/sdp");
    response
        .headers
        .push(HeaderName::AcceptEncoding, "identity");
    response.headers.push(HeaderName::AcceptLanguage, "en");
    response.headers.push(HeaderName::Supported, supported());
}

/// The status of a method that this user agent has no use for, within a dialog or outside.
pub(super) fn unsupported_method(method: &Method) -> u16 {
    match method {
        Method::Other(_) => 501,
        _ => 405,
    }
}
