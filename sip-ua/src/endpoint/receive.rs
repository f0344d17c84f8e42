// SPDX-License-Identifier: MPL-2.0
//! What comes in: read, judged, and handed to the transaction, dialog or call it belongs to.

use std::net::SocketAddr;
use std::time::Instant;

use super::Endpoint;
use super::outbound;
use super::provisional;
use super::refer::allow_events;
use super::referred::{NO_SUBSCRIPTION, REPLACES};
use super::reply::{allow, capabilities, mark_source, unsupported_method};
use super::screen::Verdict;
use super::send::{ClientKind, ack_of_refusal};
use super::transfer::event_of;
use crate::dialog::{DialogKey, SessionTimer};
use crate::sdp;
use crate::transaction::{ClientKey, MergeKey, Packet, Path, ServerKey};
use crate::transport::Arrival;
use crate::wire::{
    CSeq, Core, HeaderName, Headers, Host, Message, Method, NameAddr, Params, ReadError, Request,
    Response, Scheme, Uri, read_datagram_shared, read_framed_shared, validate,
};

impl Endpoint {
    /// A datagram came from `remote` to the socket that this far end knows as `local`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let arrival = Arrival::datagram(local, remote);
        let octets = Packet::copy_from_slice(datagram);
        let read = read_datagram_shared(&octets);
        self.handle_message(now, arrival, &octets, read);
    }

    /// A message came over a connection. False if it was none that could be read.
    pub fn handle_stream_message(
        &mut self,
        now: Instant,
        arrival: Arrival,
        message: impl Into<Packet>,
    ) -> bool {
        let message: Packet = message.into();
        let garbage = self.garbage;
        let read = match arrival.transport.is_websocket() {
            // It need not say its length (RFC 7118 §5).
            true => read_datagram_shared(&message),
            false => read_framed_shared(&message),
        };
        self.handle_message(now, arrival, &message, read);
        self.garbage == garbage
    }

    fn handle_message(
        &mut self,
        now: Instant,
        arrival: Arrival,
        octets: &Packet,
        read: Result<Message, ReadError>,
    ) {
        let message = match read {
            Ok(message) => message,
            Err(error) => return self.handle_unreadable(arrival, None, error),
        };
        let (local, remote) = (arrival.local, arrival.source);
        self.traces.arrive(now, local, remote, octets);
        match (validate(&message), message) {
            (Err(error), Message::Request(request)) => {
                self.handle_unreadable(arrival, Some(request), error);
            }
            (Err(error), Message::Response(_)) => {
                self.garbage += 1;
                tracing::debug!(%remote, %error, "a response was dropped");
            }
            (Ok(core), Message::Request(request)) => {
                self.traces.received(&core.call_id);
                self.handle_request(now, arrival, request, core);
            }
            (Ok(core), Message::Response(response)) => {
                self.traces.received(&core.call_id);
                self.handle_response(now, arrival, response, core);
            }
        }
        self.traces.arrived();
        self.settle(now);
    }

    fn handle_unreadable(&mut self, arrival: Arrival, request: Option<Request>, error: ReadError) {
        self.garbage += 1;
        let remote = arrival.source;
        tracing::debug!(%remote, %error, "a message was dropped");
        let Some(reply) = error.reply else {
            return;
        };
        let request = request.unwrap_or_else(|| remains(&reply));
        let verdict = (self.config.screen)(&request, remote);
        if !matches!(verdict, Verdict::Allow | Verdict::AllowUser(_)) {
            self.silenced += 1;
            return;
        }
        self.answer_unreadable(arrival, *reply);
    }

    fn handle_request(
        &mut self,
        now: Instant,
        arrival: Arrival,
        mut request: Request,
        mut core: Core,
    ) {
        let key = ServerKey::of_request(&request, &core);
        let found = self.table.find_server(&key);
        if request.method == Method::Ack {
            // An ACK to a refusal ends there; one to a 2xx has a transaction of its own, but for old
            // peers and those that use the INVITE's branch again.
            if found.is_none_or(|server| self.table.handle_ack(now, server)) {
                self.handle_ack(now, &request, &core);
            }
            return;
        }
        if let Some(server) = found {
            return self.table.handle_retransmission(server);
        }
        let Some(via) = core.via.first_mut() else {
            return;
        };
        let path = mark_source(via, arrival);
        request.headers.set_top_via(via);
        if request.method == Method::Cancel {
            let invite = ServerKey::of_cancelled(&request, &core);
            if let Some(server) = self.table.find_server(&invite) {
                return self.handle_cancel(now, path, server, &request);
            }
        }
        let call = DialogKey::of_request(&core).and_then(|id| self.dialogs.get(&id).copied());
        match call {
            Some(id) => self.handle_within(now, id, path, request, core),
            None => self.handle_outside(now, path, arrival, request, core),
        }
    }

    /// A request that belongs to nothing we know.
    fn handle_outside(
        &mut self,
        now: Instant,
        path: Path,
        arrival: Arrival,
        request: Request,
        core: Core,
    ) {
        let mut user = None;
        match (self.config.screen)(&request, arrival.source) {
            Verdict::Allow => {}
            Verdict::AllowUser(name) => user = Some(name),
            Verdict::Silent => {
                self.silenced += 1;
                return;
            }
            Verdict::Refuse(status) => {
                let status = if (300..700).contains(&status) {
                    status
                } else {
                    403
                };
                return self.answer_stateless(path, &request, status, |_| {});
            }
            // A CANCEL cannot be sent again with credentials (§22.1); an ACK never gets here.
            Verdict::Challenge(_) if request.method == Method::Cancel => return,
            Verdict::Challenge(challenges) => {
                if request.method == Method::Invite {
                    self.traces.challenge(&core.call_id);
                }
                return self.answer_stateless(path, &request, 401, |response| {
                    for challenge in challenges {
                        response
                            .headers
                            .push(HeaderName::WwwAuthenticate, challenge);
                    }
                });
            }
        }
        match &request.method {
            Method::Invite | Method::Options if core.to.tag().is_none() => {}
            Method::Register => {}
            Method::Invite
            | Method::Options
            | Method::Bye
            | Method::Cancel
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Notify => {
                return self.answer_stateless(path, &request, 481, |_| {});
            }
            Method::Refer | Method::Subscribe if core.to.tag().is_some() => {
                return self.answer_stateless(path, &request, 481, |_| {});
            }
            // Calls are transferred, not people.
            Method::Refer => return self.answer_stateless(path, &request, 603, |_| {}),
            // Nobody is told of anything but what became of their REFER, and that they did not ask for
            // by SUBSCRIBE (RFC 3515 §2.4.4).
            Method::Subscribe => {
                return match event_of(&request.headers).0.as_slice() {
                    b"refer" => self.answer_stateless(path, &request, 403, |_| {}),
                    _ => self.answer_stateless(path, &request, 489, allow_events),
                };
            }
            other => {
                let status = unsupported_method(other);
                return self.answer_stateless(path, &request, status, allow);
            }
        }
        // The order of §8.2.2. Max-Forwards is no concern of the one a request is meant for.
        let spoken = match request.uri.scheme {
            Scheme::Sip | Scheme::Tel => true,
            // Whoever asks for TLS and did not come over it was let down on the way (RFC 5630 §5.3).
            Scheme::Sips => path.transport.is_secure(),
            Scheme::Other(_) => false,
        };
        if !spoken {
            return self.answer_stateless(path, &request, 416, |_| {});
        }
        let merge = MergeKey::of_request(&core);
        if merge
            .as_ref()
            .is_some_and(|key| self.table.find_merged(key).is_some())
        {
            return self.answer_stateless(path, &request, 482, |_| {});
        }
        // To the registrar alone these two mean anything.
        let registers = request.method == Method::Register && self.registrar.is_some();
        let more: &[&str] = match registers {
            true => &[outbound::OPTION, outbound::PATH],
            false => &[],
        };
        if let Some(unsupported) = required(&request.headers, more) {
            return self.answer_stateless(path, &request, 420, |response| {
                response.headers.push(HeaderName::Unsupported, unsupported);
            });
        }
        if request.method == Method::Options {
            return self.answer_stateless(path, &request, 200, capabilities);
        }
        if request.method == Method::Register {
            // A connection leads back through whatever stands between; its far port is found again.
            let hop = match path.flow {
                Some(_) => arrival.hop(),
                None => path.hop(),
            };
            return self.handle_register(now, path, hop, user.as_deref(), &request, &core);
        }
        if let Some(refuse) = unusable_body(&request) {
            return self.answer_stateless(path, &request, 415, refuse);
        }
        self.handle_invite(now, path, arrival, user, request, core);
    }

    fn handle_response(&mut self, now: Instant, arrival: Arrival, response: Response, core: Core) {
        let key = ClientKey::of_response(&core);
        let Some(client) = key.and_then(|key| self.table.find_client(&key)) else {
            let remote = arrival.source;
            tracing::debug!(%remote, status = response.status, "a response to nothing was dropped");
            return;
        };
        let invite = core.cseq.method == Method::Invite;
        if let Some(user) = self.table.client(client)
            && user.kind == ClientKind::Invite
            && let Some(id) = user.call
            && let Some(call) = self.calls.get_mut(&id)
            && call.path.transport == arrival.transport
        {
            call.path.flow = arrival.flow;
        }
        if let Some(ClientKind::Register(id)) = self.table.client(client).map(|user| user.kind) {
            self.registrar_answers_over(id, arrival.flow);
        }
        let ack = match self.table.client(client) {
            Some(user) if invite && response.status >= 300 => {
                Some(ack_of_refusal(&user.request, &core))
            }
            _ => None,
        };
        if self
            .table
            .handle_response(now, client, response.status, ack)
        {
            self.handle_delivered(now, client, &response, &core);
        }
    }
}

/// What could be read of a request that could not, for the screen to judge.
fn remains(reply: &Response) -> Request {
    let header = |name: HeaderName| reply.headers.get(name);
    let method = header(HeaderName::CSeq)
        .and_then(|cseq| CSeq::parse(cseq).ok())
        .map_or_else(|| Method::Other(b"UNREADABLE".to_vec()), |cseq| cseq.method);
    let uri = header(HeaderName::To)
        .and_then(|to| NameAddr::parse(to).ok())
        .map_or_else(unreadable_uri, |to| to.uri);
    let mut request = Request::new(method, uri);
    request.headers = reply.headers.clone();
    request
}

fn unreadable_uri() -> Uri {
    Uri {
        scheme: Scheme::Other(b"unreadable".to_vec()),
        user: None,
        password: None,
        host: Host::from(std::net::IpAddr::from([0, 0, 0, 0])),
        port: None,
        params: Params::new(),
        headers: None,
        opaque: Some(Vec::new()),
    }
}

/// The extensions a request demands and that are not known here; `more` are known for it, too.
pub(super) fn required(headers: &Headers, more: &[&str]) -> Option<Vec<u8>> {
    let tags: Vec<&[u8]> = headers
        .list(HeaderName::Require)
        .filter(|tag| !tag.is_empty())
        .filter(|tag| {
            let known = [
                SessionTimer::OPTION,
                provisional::OPTION,
                REPLACES,
                NO_SUBSCRIPTION,
            ];
            !known
                .iter()
                .chain(more)
                .any(|known| tag.eq_ignore_ascii_case(known.as_bytes()))
        })
        .collect();
    (!tags.is_empty()).then(|| tags.join(&b", "[..]))
}

/// What to add to a 415, where the body of an INVITE is nothing that holds SDP.
pub(super) fn unusable_body(request: &Request) -> Option<fn(&mut Response)> {
    if request.body.is_empty() {
        return None;
    }
    let encoding = request.headers.get(HeaderName::ContentEncoding);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Some(|response| {
            response
                .headers
                .push(HeaderName::AcceptEncoding, "identity");
        });
    }
    let content_type = request.headers.get(HeaderName::ContentType);
    match sdp::description_in(content_type, &request.body) {
        Err(_) => Some(|response| response.headers.push(HeaderName::Accept, "application/sdp")),
        Ok(_) => None,
    }
}

/// The SDP in a message, whole or as a part of it.
pub(super) fn description(headers: &Headers, body: &[u8]) -> Option<Vec<u8>> {
    let content_type = headers.get(HeaderName::ContentType);
    sdp::description_in(content_type, body)
        .ok()
        .flatten()
        .map(<[u8]>::to_vec)
}
