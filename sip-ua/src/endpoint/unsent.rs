// SPDX-License-Identifier: MPL-2.0
//! What becomes of messages that a connection could not carry (RFC 3261 §18.4).

use std::time::Instant;

use super::Endpoint;
use super::Transmit;
use super::call::Call;
use super::send::{ClientKind, ClientUse, SentAck};
use crate::registrar::Registrar;
use crate::transaction::ClientKey;
use crate::transport::{Arrival, Hop};
use crate::wire::{Message, Method, Request, read_framed, validate};

impl Endpoint {
    /// A message never left; `reason` is a sentence that names the far end.
    pub fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, reason: &str) {
        tracing::debug!(reason, "a message could not be sent");
        let Ok(message) = read_framed(&transmit.packet) else {
            return;
        };
        if let (Ok(core), Message::Request(request)) = (validate(&message), message) {
            let branch = core.via.first().and_then(|via| via.branch());
            let key = branch.map(|branch| ClientKey::new(branch, &request.method));
            let client = key.and_then(|key| self.table.find_client(&key));
            if request.method == Method::Ack {
                self.handle_unsent_ack(now, transmit, request);
            } else if let Some(user) = client.and_then(|client| self.table.abandon(client)) {
                self.handle_unsent_request(now, user, reason);
            }
        }
        self.settle(now);
    }

    fn handle_unsent_request(&mut self, now: Instant, user: ClientUse, reason: &str) {
        if user.detour {
            return self.without_tcp(now, user);
        }
        match (user.kind, user.call) {
            // Another server has it by now.
            (ClientKind::PassedOver, _) => {}
            (ClientKind::Register(id), _) => {
                self.registration_unreachable(now, id, reason.to_owned());
            }
            (ClientKind::Watch(id), _) => {
                self.watched_is_silent(now, id, user.path, reason.to_owned());
            }
            (_, Some(id)) => self.handle_failed(now, id, user, 503, reason.to_owned()),
            (_, None) => {}
        }
    }

    /// What took TCP for its length only goes by datagrams where that leads nowhere (§18.1.1).
    pub(super) fn without_tcp(&mut self, now: Instant, user: ClientUse) {
        let path = user.path;
        self.paths.has_no_tcp(now, path.remote);
        let mut request = user.request.clone();
        request.headers.remove_top_via();
        let (kind, id) = match (user.kind, user.call) {
            (ClientKind::Register(id), _) => {
                return self.launch_register(now, id, path, request);
            }
            (ClientKind::Watch(id), _) => {
                return self.launch_options(now, id, path, request, user.attempts);
            }
            (ClientKind::PassedOver, _) | (_, None) => return,
            (kind, Some(id)) => (kind, id),
        };
        match self.start(now, id, kind, path, request, user.attempts) {
            Ok(client) => {
                if let Some(again) = self.table.client_mut(client) {
                    again.tried.clone_from(&user.tried);
                }
                self.restarted(id, kind, client);
                if kind == ClientKind::Invite {
                    self.watch_server(now, id);
                }
            }
            Err(error) => self.handle_unreachable(now, id, &user, 503, error.to_string()),
        }
    }

    /// Nobody waits for an answer to an ACK, and what it acknowledges would come again and again.
    fn handle_unsent_ack(&mut self, now: Instant, transmit: &Transmit, mut ack: Request) {
        let is_it = |sent: &SentAck| sent.packet == transmit.packet;
        let found = self
            .table
            .find_client_by(|user| user.acks.iter().any(is_it));
        let user = found.and_then(|client| self.table.client(client));
        let sent = user.and_then(|user| user.acks.iter().find(|sent| is_it(sent)));
        let Some((to_tag, path)) = sent.and_then(|s| Some((s.to_tag.clone(), s.without_tcp?)))
        else {
            return;
        };
        self.paths.has_no_tcp(now, path.remote);
        ack.headers.remove_top_via();
        let again = self.transmit_ack(now, path, &mut ack, to_tag);
        let user = found.and_then(|client| self.table.client_mut(client));
        let sent = user.and_then(|user| user.acks.iter_mut().find(|sent| is_it(sent)));
        if let Some(sent) = sent {
            *sent = again;
        }
    }

    /// A connection with this far end broke. Requests that it has not answered yet are sent again,
    /// once: it knows them by their branch, should it have them already.
    pub fn handle_lost(&mut self, now: Instant, far: Hop) {
        self.table.resend(far.transport, far.addr);
        if let Some(registrar) = &mut self.registrar {
            registrar.connection_lost(far);
        }
        self.flows_lost(now, far);
        self.settle(now);
    }

    /// Whether a call, a registration or a watch would have to do without this connection if it were closed.
    pub fn needs(&self, arrival: &Arrival) -> bool {
        let bound = |registrar: &Registrar| registrar.is_bound_to(arrival.hop());
        if self.registers_at(arrival.source) || self.registrar.as_ref().is_some_and(bound) {
            return true;
        }
        let watched = self.watches_at(|path| {
            (path.transport, path.remote) == (arrival.transport, arrival.source)
        });
        let carries = |call: &Call| {
            call.path.transport == arrival.transport
                && (call.path.flow == arrival.flow || call.path.remote == arrival.source)
        };
        watched || self.calls.values().any(|call| carries(call))
    }
}
