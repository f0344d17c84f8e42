// SPDX-License-Identifier: MPL-2.0
//! The next server of a name, where one does not serve (RFC 3263 §4.3).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::call::{CallId, Cancel, Outgoing, Phase};
use super::responses::retry_after;
use super::send::{ClientKind, ClientUse};
use super::{End, EndCause, EndedBy, Endpoint};
use crate::resolve::{Down, Fallen};
use crate::transaction::{ClientId, Path};
use crate::transport::Transport;
use crate::wire::{CSeq, HeaderName, NameAddr, Request, Response, Scheme};

/// How long a server may say nothing at all to an INVITE before the next one gets it too: one that
/// lives says 100 within 200 ms (RFC 3261 §17.2.1) and the way there and back. Just before it would be
/// sent again, or somebody might ring who was passed over.
const PATIENCE: Duration = Duration::from_millis(450);
/// Where a connection has to be made before.
const STREAM_PATIENCE: Duration = Duration::from_millis(800);
/// The same for REGISTER, which nobody waits for: its third repetition would be next.
pub(super) const REGISTER_PATIENCE: Duration = Duration::from_millis(3_400);

/// Where else the INVITE of a call may be sent.
#[derive(Default)]
pub(super) struct Servers {
    /// Best first.
    left: VecDeque<Path>,
    /// The one that has it now has said something.
    pub(super) heard: bool,
    /// When the next one gets it, if nothing is heard.
    pub(super) hurry_at: Option<Instant>,
}

impl Servers {
    pub(super) fn new(left: VecDeque<Path>) -> Servers {
        Servers {
            left,
            heard: false,
            hurry_at: None,
        }
    }
}

/// The servers in the order in which to try them: those that are not known to be down first. Who
/// asked to be left alone is; where that are all of them, it says for how long.
pub(super) fn in_order(
    down: &Down,
    now: Instant,
    ways: Vec<Path>,
) -> Result<VecDeque<Path>, (Path, Duration)> {
    let mut resting = None;
    let mut order = VecDeque::new();
    let mut last = VecDeque::new();
    let secure = ways.first().is_some_and(|way| way.transport.is_secure());
    for way in ways {
        if secure && !way.transport.is_secure() {
            // Whoever can break a connection does not get to read what it would have carried.
            continue;
        }
        if let Some(left) = down.rest_left(now, way.hop()) {
            let sooner = resting.is_none_or(|(_, known)| left < known);
            resting = if sooner { Some((way, left)) } else { resting };
        } else if down.is_down(now, way.hop()) {
            last.push_back(way);
        } else {
            order.push_back(way);
        }
    }
    order.append(&mut last);
    match resting {
        Some(resting) if order.is_empty() => Err(resting),
        _ => Ok(order),
    }
}

/// All who could take the call asked to be left alone (RFC 3261 §21.5.4); this one for the shortest
/// time.
pub(super) fn resting(path: Path, left: Duration) -> End {
    let (remote, seconds) = (path.remote, left.as_secs() + 1);
    let reason = format!("{remote} said 503: it asks not to be called for {seconds} s more");
    let mut end = End::new(EndedBy::Network, Some(503), EndCause::Refused, reason);
    end.retry_after = Some(left);
    end
}

impl Endpoint {
    /// The servers that are down at the moment.
    pub fn fallen(&self, now: Instant) -> Vec<Fallen> {
        self.down.fallen(now)
    }

    /// The same, if a server fell or rose since this was asked last.
    pub fn changed_fallen(&mut self, now: Instant) -> Option<Vec<Fallen>> {
        self.down.take_changed().then(|| self.down.fallen(now))
    }

    /// The server that a transaction asks, whatever transport the length of its request led to.
    pub(super) fn server_of(&self, client: ClientId) -> Option<Path> {
        self.table.client(client).map(|user| user.path)
    }

    /// A response came from there.
    pub(super) fn heard_of(&mut self, now: Instant, client: ClientId, response: &Response) {
        let Some(server) = self.server_of(client) else {
            return;
        };
        self.down.answered(server.hop());
        if response.status != 503 {
            return;
        }
        let why = format!("{} answered 503", server.remote);
        match retry_after(&response.headers) {
            Some(wait) => self.down.rests(now, server.hop(), wait, &why),
            None => self.down.failed(now, server.hop(), &why),
        }
    }

    /// The server that has the INVITE now says something.
    pub(super) fn server_answers(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && let Phase::Outgoing(outgoing) = &mut call.phase
        {
            outgoing.servers.heard = true;
            outgoing.servers.hurry_at = None;
        }
    }

    /// It could not be asked, or never answered.
    pub(super) fn server_is_down(&mut self, now: Instant, id: CallId, why: &str) {
        if let Some(call) = self.calls.get(&id)
            && let Phase::Outgoing(outgoing) = &call.phase
            && !outgoing.servers.heard
        {
            self.down.failed(now, call.path.hop(), why);
        }
    }

    /// It serves nobody (503). True if another is asked.
    pub(super) fn refused_by_server(&mut self, now: Instant, client: ClientId, id: CallId) -> bool {
        let user = self.table.client(client);
        let Some(request) = user.map(|user| user.request.clone()) else {
            return false;
        };
        self.next_server(now, id, &request, "the server before answered 503")
    }

    fn ringing(&mut self, id: CallId) -> Option<&mut Outgoing> {
        match &mut self.calls.get_mut(&id)?.phase {
            Phase::Outgoing(outgoing) if matches!(outgoing.cancel, Cancel::No) => Some(outgoing),
            _ => None,
        }
    }

    /// An INVITE was sent: from now on its silence counts, if there is somebody else to ask.
    pub(super) fn watch_server(&mut self, now: Instant, id: CallId) {
        let Some(client) = self.ringing(id).map(|outgoing| outgoing.client) else {
            return;
        };
        let transport = self.table.client_path(client).map(|path| path.transport);
        let patience = match transport {
            None | Some(Transport::Udp) => PATIENCE,
            Some(_) => STREAM_PATIENCE,
        };
        if let Some(outgoing) = self.ringing(id) {
            let servers = &mut outgoing.servers;
            servers.heard = false;
            servers.hurry_at = (!servers.left.is_empty()).then_some(now + patience);
        }
    }

    /// Sends the INVITE to the next server. False if there is none, or nobody waits for it any more.
    pub(super) fn next_server(
        &mut self,
        now: Instant,
        id: CallId,
        request: &Request,
        why: &str,
    ) -> bool {
        loop {
            let Some(outgoing) = self.ringing(id) else {
                return false;
            };
            let Some(path) = outgoing.servers.left.pop_front() else {
                outgoing.servers.hurry_at = None;
                return false;
            };
            tracing::info!(to = %path.hop(), why, "a call goes to the next server");
            self.refuse_their_reoffer(now, id, 487);
            self.forget_forks(id);
            let contact = request.headers.get(HeaderName::Contact);
            let contact = contact.and_then(|contact| NameAddr::parse(contact).ok());
            let sips = contact.is_some_and(|contact| contact.uri.scheme == Scheme::Sips);
            match self.invite_anew(now, id, path, request.clone(), sips) {
                Ok(()) => return true,
                Err(error) => tracing::debug!(%error, "the next server cannot be asked"),
            }
        }
    }

    /// The same INVITE in another transaction, perhaps to somebody else. `sips`: see
    /// [`contact`](Self::contact).
    pub(super) fn invite_anew(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        mut request: Request,
        sips: bool,
    ) -> Result<(), String> {
        let headers = &mut request.headers;
        headers.remove_top_via();
        // With the same number it would be the same request come twice, where both ways meet
        // (RFC 3261 §8.2.2.2).
        let cseq = headers.get(HeaderName::CSeq);
        let cseq = cseq.and_then(|cseq| CSeq::parse(cseq).ok());
        let number = cseq.map_or(1, |cseq| cseq.number.saturating_add(1));
        let method = request.method.clone();
        headers.set(HeaderName::CSeq, &CSeq { number, method });
        let from = headers.get(HeaderName::From);
        let user = from
            .and_then(|from| NameAddr::parse(from).ok())
            .and_then(|from| from.uri.user_decoded().map(|user| user.to_vec()));
        let contact = self.dialog_contact(user.as_deref(), path, sips);
        request.headers.set(HeaderName::Contact, &contact);
        if let Some(call) = self.calls.get_mut(&id) {
            call.path = path;
            call.contact = contact;
        }
        let client = self
            .start(now, id, ClientKind::Invite, path, request, 0)
            .map_err(|error| error.to_string())?;
        self.restarted(id, ClientKind::Invite, client);
        self.watch_server(now, id);
        Ok(())
    }

    /// Nothing was heard for as long as one that lives would take. It may still answer.
    pub(super) fn pass_over(&mut self, now: Instant, id: CallId) {
        let Some(outgoing) = self.ringing(id) else {
            return;
        };
        outgoing.servers.hurry_at = None;
        let client = outgoing.client;
        let Some(server) = self.server_of(client) else {
            return;
        };
        let Some(user) = self.table.client_mut(client) else {
            return;
        };
        user.kind = ClientKind::PassedOver;
        let request = user.request.clone();
        let why = format!("{} does not answer", server.remote);
        if self.next_server(now, id, &request, &why) {
            self.table.hush(client);
            self.down.failed(now, server.hop(), &why);
        } else if let Some(user) = self.table.client_mut(client) {
            user.kind = ClientKind::Invite;
        }
    }

    /// A server that was passed over says something after all. It has the call again where the one
    /// that took its place has said nothing yet: true. Else it is told that nobody waits for it.
    pub(super) fn comes_late(
        &mut self,
        now: Instant,
        client: ClientId,
        id: CallId,
        status: u16,
    ) -> bool {
        if status != 503 && self.take_back(client, id) {
            return true;
        }
        if (100..200).contains(&status) && self.table.client_is_proceeding(client) {
            let told = |user: &mut ClientUse| std::mem::replace(&mut user.told, true);
            if self
                .table
                .client_mut(client)
                .is_some_and(|user| !told(user))
            {
                self.send_cancel(now, client, None);
                self.table.cancelled(now, client);
            }
        }
        false
    }

    fn take_back(&mut self, client: ClientId, id: CallId) -> bool {
        let Some(server) = self.server_of(client) else {
            return false;
        };
        let Some(outgoing) = self.ringing(id).filter(|outgoing| !outgoing.servers.heard) else {
            return false;
        };
        outgoing.servers.hurry_at = None;
        let other = std::mem::replace(&mut outgoing.client, client);
        if let Some(user) = self.table.client_mut(other) {
            user.kind = ClientKind::PassedOver;
        }
        self.table.hush(other);
        let Some(user) = self.table.client_mut(client) else {
            return false;
        };
        user.kind = ClientKind::Invite;
        let contact = user.request.headers.get(HeaderName::Contact);
        let contact = contact.and_then(|contact| NameAddr::parse(contact).ok());
        if let Some(call) = self.calls.get_mut(&id) {
            call.path = server;
            call.contact = contact.unwrap_or_else(|| call.contact.clone());
        }
        true
    }
}
