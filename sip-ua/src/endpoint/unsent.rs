// SPDX-License-Identifier: MPL-2.0
//! What becomes of messages that a connection could not carry (RFC 3261 §18.4).

use std::time::Instant;

use super::Endpoint;
use super::Transmit;
use super::send::{ClientKind, ClientUse};
use crate::registrar::Registrar;
use crate::transaction::ClientKey;
use crate::transport::{Arrival, Hop};
use crate::wire::{Message, read_framed, validate};

impl Endpoint {
    /// A message never left; `reason` is a sentence that names the far end.
    pub fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, reason: &str) {
        tracing::debug!(reason, "a message could not be sent");
        let Ok(message) = read_framed(&transmit.packet) else {
            return;
        };
        // Nobody waits for an answer to an ACK or a response.
        if let (Ok(core), Message::Request(request)) = (validate(&message), &message) {
            let branch = core.via.first().and_then(|via| via.branch());
            let key = branch.map(|branch| ClientKey::new(branch, &request.method));
            let client = key.and_then(|key| self.table.find_client(&key));
            if let Some(user) = client.and_then(|client| self.table.abandon(client)) {
                self.handle_unsent_request(now, transmit, user, reason);
            }
        }
        self.settle(now);
    }

    fn handle_unsent_request(
        &mut self,
        now: Instant,
        transmit: &Transmit,
        user: ClientUse,
        reason: &str,
    ) {
        if let ClientKind::Register(id) = user.kind {
            return self.registration_unreachable(now, id, reason.to_owned());
        }
        let Some(id) = user.call else {
            return;
        };
        if user.without_tcp.is_some() {
            // It took TCP for its length only (§18.1.1).
            self.paths.has_no_tcp(now, transmit.remote);
        }
        let path = match user.without_tcp {
            // Another server has it by now.
            _ if user.kind == ClientKind::PassedOver => return,
            Some(path) => path,
            None => return self.handle_unreachable(now, id, &user, 503, reason.to_owned()),
        };
        let mut request = user.request.clone();
        request.headers.remove_top_via();
        match self.start(now, id, user.kind, path, request, user.attempts) {
            Ok(client) => {
                self.restarted(id, user.kind, client);
                if user.kind == ClientKind::Invite {
                    self.watch_server(now, id);
                }
            }
            Err(error) => self.handle_unreachable(now, id, &user, 503, error.to_string()),
        }
    }

    /// A connection with this far end broke. Requests that it has not answered yet are sent again,
    /// once: it knows them by their branch, should it have them already.
    pub fn handle_lost(&mut self, now: Instant, far: Hop) {
        self.table.resend(far.transport, far.addr);
        if let Some(registrar) = &mut self.registrar {
            registrar.connection_lost(far);
        }
        self.settle(now);
    }

    /// Whether a call or a registration would have to do without this connection if it were closed.
    pub fn needs(&self, arrival: &Arrival) -> bool {
        let bound = |registrar: &Registrar| registrar.is_bound_to(arrival.hop());
        if self.registers_at(arrival.source) || self.registrar.as_ref().is_some_and(bound) {
            return true;
        }
        self.calls.values().any(|call| {
            call.path.transport == arrival.transport
                && (call.path.flow == arrival.flow || call.path.remote == arrival.source)
        })
    }
}
