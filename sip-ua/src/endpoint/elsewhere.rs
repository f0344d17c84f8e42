// SPDX-License-Identifier: MPL-2.0
//! Within a dialog: the next server of a name, where one does not serve (RFC 3263 §4.3).
//!
//! As long as all is well a request goes where the call is, and no name is looked up.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::call::{Call, CallId, Phase};
use super::redirect::is_near;
use super::responses::retry_after;
use super::send::{ClientKind, ClientUse};
use super::{Endpoint, Event};
use crate::digest::AuthError;
use crate::resolve::Down;
use crate::transaction::{ClientId, Path};
use crate::transport::{Hop, Transport};
use crate::wire::{Core, HeaderName, NameAddr, Request, Response, Uri};

/// Requests of one call that may wait for servers to be found.
const WAITING: usize = 8;

/// Servers that one request is sent to. Each may cost the life of a transaction.
const SERVERS: usize = 4;

/// A request that waits for its servers to be found.
pub(super) struct Stranded {
    kind: ClientKind,
    request: Request,
    attempts: u8,
    /// The servers that have failed it.
    tried: Vec<Failed>,
    /// What becomes of it if there is no other; none where it was not sent yet.
    failure: Option<Failure>,
    /// The next hop of its dialog.
    towards: Uri,
}

/// A server that did not serve.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    hop: Hop,
    why: String,
    /// How long it asked to be left alone for.
    rest: Option<Duration>,
}

/// What one server made of a request.
pub(super) enum Failure {
    /// It could not be reached, or said nothing; with the status that stands for that.
    Silent { status: u16, reason: String },
    /// It serves nobody (503).
    Refused {
        response: Box<Response>,
        core: Box<Core>,
    },
}

impl ClientKind {
    fn is_within(self) -> bool {
        match self {
            ClientKind::Reinvite
            | ClientKind::Bye
            | ClientKind::Info
            | ClientKind::Prack
            | ClientKind::Refer
            | ClientKind::Notify
            | ClientKind::Subscribe
            | ClientKind::Update
            | ClientKind::UpdateOffer => true,
            ClientKind::Invite
            | ClientKind::PassedOver
            | ClientKind::Register(_)
            | ClientKind::Watch(_)
            | ClientKind::Aside => false,
        }
    }
}

impl Endpoint {
    /// Sends a request within a dialog: to where the call is, unless that server is known to be down
    /// and others may be found.
    pub(super) fn send_within(
        &mut self,
        now: Instant,
        id: CallId,
        kind: ClientKind,
        path: Path,
        request: Request,
    ) -> Result<(), AuthError> {
        let user = ClientUse::new(Some(id), kind, path, request);
        let user = match self.down.is_down(now, path.hop()) {
            true => match self.strand(id, user, None) {
                Ok(()) => return Ok(()),
                Err(user) => *user,
            },
            false => user,
        };
        self.start(now, id, kind, path, user.request, 0).map(|_| ())
    }

    /// A request had no effect: nobody is there. `reason` names the far end.
    pub(super) fn handle_failed(
        &mut self,
        now: Instant,
        id: CallId,
        user: ClientUse,
        status: u16,
        reason: String,
    ) {
        let failed = Failure::Silent {
            status,
            reason: reason.clone(),
        };
        if let Err(user) = self.strand(id, user, Some(failed)) {
            self.handle_unreachable(now, id, &user, status, reason);
        }
        self.settle_call(now, id);
    }

    /// A server within a dialog serves nobody. True if another may.
    pub(super) fn refused_within(
        &mut self,
        client: ClientId,
        id: CallId,
        response: &Response,
        core: &Core,
    ) -> bool {
        let Some(user) = self.table.client(client) else {
            return false;
        };
        let again = ClientUse {
            attempts: user.attempts,
            tried: user.tried.clone(),
            ..ClientUse::new(Some(id), user.kind, user.path, user.request.clone())
        };
        let failed = Failure::Refused {
            response: Box::new(response.clone()),
            core: Box::new(core.clone()),
        };
        self.strand(id, again, Some(failed)).is_ok()
    }

    /// Keeps a request until the servers of its next hop are found. It comes back where that is no
    /// name, or nobody would wait.
    fn strand(
        &mut self,
        id: CallId,
        user: ClientUse,
        failure: Option<Failure>,
    ) -> Result<(), Box<ClientUse>> {
        let Some(call) = self.calls.get_mut(&id) else {
            return Err(Box::new(user));
        };
        let towards = next_hop(call, &user.request).filter(is_a_name);
        let wanted = user.kind.is_within() && is_wanted(call, user.kind);
        let room = call.stranded.len() < WAITING && user.tried.len() < SERVERS;
        let Some(towards) = towards.filter(|_| wanted && room) else {
            return Err(Box::new(user));
        };
        let mut tried = user.tried;
        tried.extend(failure.as_ref().map(|failure| Failed {
            hop: user.path.hop(),
            why: match failure {
                Failure::Silent { reason, .. } => reason.clone(),
                Failure::Refused { .. } => format!("{} answered 503", user.path.remote),
            },
            rest: match failure {
                Failure::Silent { .. } => None,
                Failure::Refused { response, .. } => retry_after(&response.headers),
            },
        }));
        let asked = call.stranded.iter().any(|other| other.towards == towards);
        call.stranded.push(Stranded {
            kind: user.kind,
            request: user.request,
            attempts: user.attempts,
            tried,
            failure,
            towards: towards.clone(),
        });
        if !asked {
            self.events.push_back(Event::LocateHop { id, uri: towards });
        }
        Ok(())
    }

    /// The ways to the servers of an [`Event::LocateHop`], best first, or why there are none.
    pub fn hop_located(
        &mut self,
        now: Instant,
        id: CallId,
        uri: &Uri,
        found: Result<impl Into<Vec<Path>>, String>,
    ) {
        // Then it fails as it did before.
        let ways: Vec<Path> = found.map(Into::into).unwrap_or_default();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let of_it = |stranded: &mut Stranded| stranded.towards == *uri;
        let stranded: Vec<Stranded> = call.stranded.extract_if(.., of_it).collect();
        for stranded in stranded {
            self.go_on(now, id, &ways, stranded);
        }
        self.settle_call(now, id);
    }

    fn go_on(&mut self, now: Instant, id: CallId, ways: &[Path], stranded: Stranded) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !is_wanted(call, stranded.kind) {
            return;
        }
        let Stranded {
            kind,
            mut request,
            attempts,
            tried,
            failure,
            ..
        } = stranded;
        let here = call.path;
        let way = best_way(&self.down, now, call, ways, &tried);
        let way = match (way, failure) {
            (Some(way), _) => way,
            // Whatever is known of it, there is no other.
            (None, None) => here,
            (None, Some(failure)) => {
                let user = ClientUse::new(Some(id), kind, here, request);
                return self.give_up_within(now, id, user, failure);
            }
        };
        request.headers.remove_top_via();
        let numbered = call.renumber(&mut request);
        if let Some(last) = tried.last() {
            tracing::info!(to = %way.hop(), why = last.why, "a request goes to the next server");
        }
        let sent = match numbered {
            true => self.start(now, id, kind, way, request.clone(), attempts),
            // Its fork is no more.
            false => return,
        };
        match sent {
            Ok(client) => {
                if let Some(user) = self.table.client_mut(client) {
                    user.tried = tried;
                }
            }
            Err(error) => {
                let user = ClientUse::new(Some(id), kind, way, request);
                self.handle_unreachable(now, id, &user, 503, error.to_string());
            }
        }
    }

    /// There is no other server.
    fn give_up_within(&mut self, now: Instant, id: CallId, user: ClientUse, failure: Failure) {
        match failure {
            Failure::Silent { status, reason } => {
                self.handle_unreachable(now, id, &user, status, reason);
            }
            Failure::Refused { response, core } => {
                self.handle_refused(now, id, user.kind, &response, &core);
            }
        }
    }

    /// A response to a request that other servers had failed before. Only now it is certain that it
    /// was they, and not whoever they stand for; the rest of the call stays with this one.
    pub(super) fn served_elsewhere(&mut self, now: Instant, client: ClientId, id: CallId) {
        let Some(user) = self.table.client_mut(client) else {
            return;
        };
        let (tried, path) = (std::mem::take(&mut user.tried), user.path);
        if tried.is_empty() {
            return;
        }
        for failed in tried {
            match failed.rest {
                Some(rest) => self.down.rests(now, failed.hop, rest, &failed.why),
                None => self.down.failed(now, failed.hop, &failed.why),
            }
        }
        self.down.answered(path.hop());
        if let Some(call) = self.calls.get_mut(&id) {
            call.path = path;
            call.direct = false;
        }
    }
}

/// The next hop of the dialog that a request belongs to.
fn next_hop(call: &mut Call, request: &Request) -> Option<Uri> {
    let to = request.headers.get(HeaderName::To);
    let to = to.and_then(|to| NameAddr::parse(to).ok())?;
    let dialog = call.dialog_with(to.tag().unwrap_or_default())?;
    Some(dialog.next_hop().clone())
}

/// An address is one server. A browser is reached over its own connection alone (RFC 7118 §5).
fn is_a_name(uri: &Uri) -> bool {
    uri.host.ip().is_none()
        && Transport::of_uri(uri).is_some_and(|transport| !transport.is_websocket())
}

/// Of a call that is over only the BYE matters.
fn is_wanted(call: &Call, kind: ClientKind) -> bool {
    !matches!(call.phase, Phase::Closing) || kind == ClientKind::Bye
}

/// The best server that has not failed the request: those that are not known to be down first.
fn best_way(
    down: &Down,
    now: Instant,
    call: &Call,
    ways: &[Path],
    tried: &[Failed],
) -> Option<Path> {
    let secure = call.path.transport.is_secure()
        || call
            .dialog
            .as_ref()
            .is_some_and(|dialog| dialog.is_secure());
    let here: IpAddr = call.path.remote.ip();
    let fresh = |way: &&Path| {
        let is_it = |failed: &Failed| {
            (failed.hop.transport, failed.hop.addr) == (way.transport, way.remote)
        };
        !tried.iter().any(is_it)
    };
    let mut ways: Vec<&Path> = ways
        .iter()
        .filter(fresh)
        .filter(|way| way.transport.is_secure() || !secure)
        // Whoever is not there themselves names no place of our own.
        .filter(|way| !is_near(way.remote.ip()) || is_near(here))
        .collect();
    ways.sort_by_key(|way| down.is_down(now, way.hop()));
    ways.first().map(|way| **way)
}
