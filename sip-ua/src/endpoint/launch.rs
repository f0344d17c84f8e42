// SPDX-License-Identifier: MPL-2.0
//! The last step of every request: our Via, and the transport that its length allows (RFC 3261
//! §18.1.1).

use std::time::{Duration, Instant};

use super::Endpoint;
use super::call::CallId;
use super::send::{ClientKind, ClientUse};
use crate::digest::AuthError;
use crate::transaction::{ClientId, ClientKey, Packet, Path};
use crate::wire::{HeaderName, Method, Request};

/// A request longer than this takes TCP, if it may: fragments of datagrams get lost. What the path
/// can carry at once is not known, so it is the length that §18.1.1 names for that.
const MAX_DATAGRAM_REQUEST: usize = 1300;

/// A re-INVITE whose far end needs time says so each minute (RFC 3261 section 13.3.1.1).
const REINVITE_PATIENCE: Duration = Duration::from_secs(180);

/// A request as it leaves.
pub(super) struct Addressed {
    pub(super) path: Path,
    /// It takes TCP only since it is too long for a datagram, which would take this path.
    pub(super) without_tcp: Option<Path>,
    pub(super) branch: String,
    pub(super) packet: Packet,
}

impl Endpoint {
    /// Puts our Via on top, with the transport that is taken.
    pub(super) fn address(&mut self, now: Instant, path: Path, request: &mut Request) -> Addressed {
        let (via, branch) = self.via(path);
        request.headers.push_front(HeaderName::Via, &via);
        let packet: Packet = request.to_bytes().into();
        if packet.len() > MAX_DATAGRAM_REQUEST
            && let Some(stream) = self.paths.instead_of_udp(now, path)
        {
            request.headers.remove_top_via();
            let over_tcp = self.address(now, stream, request);
            return Addressed {
                without_tcp: Some(path),
                ..over_tcp
            };
        }
        Addressed {
            path,
            without_tcp: None,
            branch,
            packet,
        }
    }

    /// Begins a transaction of a request that has no Via yet. Never of an ACK.
    pub(super) fn launch(&mut self, now: Instant, mut user: ClientUse) -> ClientId {
        let sent = self.address(now, user.path, &mut user.request);
        user.detour = sent.without_tcp.is_some();
        let key = ClientKey::new(sent.branch.as_bytes(), &user.request.method);
        let within = user.kind == ClientKind::Reinvite;
        let (path, packet, table) = (sent.path, sent.packet, &mut self.table);
        if user.request.method != Method::Invite {
            return table.start_client(now, key, path, packet, user);
        }
        let client = table.start_client_invite(now, key, path, packet, user);
        if within {
            table.set_patience(client, REINVITE_PATIENCE);
        }
        client
    }

    /// Starts a transaction of a call: adds Via, User-Agent and credentials, and sends.
    pub(super) fn start(
        &mut self,
        now: Instant,
        id: CallId,
        kind: ClientKind,
        path: Path,
        mut request: Request,
        attempts: u8,
    ) -> Result<ClientId, AuthError> {
        if let Some(auth) = self.calls.get_mut(&id).and_then(|call| call.auth.as_mut()) {
            auth.apply(&mut request)?;
        }
        if !request.headers.contains(HeaderName::UserAgent) {
            request
                .headers
                .push(HeaderName::UserAgent, self.config.user_agent.as_str());
        }
        let user = ClientUse {
            attempts,
            ..ClientUse::new(Some(id), kind, path, request)
        };
        Ok(self.launch(now, user))
    }
}
