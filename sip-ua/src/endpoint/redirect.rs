// SPDX-License-Identifier: MPL-2.0
//! 3xx to an INVITE of ours, where its user lets us follow them (RFC 3261 §8.1.3.4).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use super::call::{CallId, Cancel, Outgoing, Phase};
use super::failover::{Servers, in_order, resting};
use super::{EndCause, EndedBy, Endpoint, Event};
use crate::dialog::RouteSet;
use crate::transaction::{ClientId, Path};
use crate::transport::Transport;
use crate::wire::{Contacts, Core, HeaderName, NameAddr, Request, Response, Scheme, Uri};

/// A call that was sent on more often than this is going in circles.
const MAX_REDIRECTS: usize = 5;

/// How many targets may wait. The rest of a longer list is left out.
const MAX_TARGETS: usize = 16;

/// Where a call out may still be sent.
pub(super) struct Redirects {
    allowed: bool,
    /// The proxies that every INVITE of the call passes.
    route: Vec<NameAddr>,
    /// The URIs that were called, the first one included.
    visited: Vec<Uri>,
    /// The best one first, each with the thousandths of its `q`.
    waiting: VecDeque<(u16, Uri)>,
    /// Somebody finds out where this is.
    locating: Option<Uri>,
    /// The INVITE as it was sent last.
    request: Option<Request>,
}

impl Redirects {
    pub(super) fn new(allowed: bool, to: Uri, route: Vec<NameAddr>) -> Redirects {
        Redirects {
            allowed,
            route,
            visited: vec![to],
            waiting: VecDeque::new(),
            locating: None,
            request: None,
        }
    }

    fn add(&mut self, contacts: &Contacts) {
        let Contacts::List(list) = contacts else {
            return;
        };
        // Who was called over TLS all the way is not called over anything less (RFC 5630 §5).
        let secure = self.visited.iter().any(|uri| uri.scheme == Scheme::Sips);
        for contact in list.iter().take(MAX_TARGETS) {
            let uri = contact.uri.as_request_uri();
            let known = self.visited.contains(&uri) || self.waiting.iter().any(|(_, w)| *w == uri);
            let callable = uri.scheme == Scheme::Sips || (uri.scheme == Scheme::Sip && !secure);
            let usable = callable && Transport::of_uri(&uri).is_some();
            if usable && !known && self.waiting.len() < MAX_TARGETS {
                self.waiting.push_back((quality(contact), uri));
            }
        }
        let waiting = self.waiting.make_contiguous();
        waiting.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    }

    fn next(&mut self) -> Option<Uri> {
        if self.visited.len() > MAX_REDIRECTS {
            return None;
        }
        let (_, uri) = self.waiting.pop_front()?;
        self.visited.push(uri.clone());
        Some(uri)
    }
}

impl Endpoint {
    /// A final response of 300 and above to an INVITE of ours. True if the call goes on elsewhere.
    pub(super) fn goes_on_elsewhere(
        &mut self,
        now: Instant,
        client: ClientId,
        id: CallId,
        response: &Response,
        core: &Core,
    ) -> bool {
        let Some(user) = self.table.client(client) else {
            return false;
        };
        let request = user.request.clone();
        let Some(outgoing) = self.redirectable(id) else {
            return false;
        };
        match response.status {
            300..=302 => outgoing.redirects.add(&core.contacts),
            // 305 names a proxy, 380 another service: neither is the one who was called. A failure
            // leaves the other targets.
            303..=599 => {}
            _ => return false,
        }
        outgoing.redirects.request = Some(request);
        self.next_target(now, id)
    }

    fn redirectable(&mut self, id: CallId) -> Option<&mut Outgoing> {
        let call = self.calls.get_mut(&id)?;
        match &mut call.phase {
            Phase::Outgoing(outgoing)
                if outgoing.redirects.allowed && matches!(outgoing.cancel, Cancel::No) =>
            {
                Some(outgoing)
            }
            _ => None,
        }
    }

    /// False if there is none.
    pub(super) fn next_target(&mut self, now: Instant, id: CallId) -> bool {
        let Some(outgoing) = self.redirectable(id) else {
            return false;
        };
        // Without a former INVITE nobody redirected anything.
        if outgoing.redirects.request.is_none() {
            return false;
        }
        let Some(uri) = outgoing.redirects.next() else {
            return false;
        };
        let routed = !outgoing.redirects.route.is_empty();
        self.refuse_their_reoffer(now, id, 487);
        self.forget_forks(id);
        if routed && let Some(path) = self.calls.get(&id).map(|call| call.path) {
            return self.invite_again(now, id, path, uri).is_ok();
        }
        if let Some(outgoing) = self.redirectable(id) {
            outgoing.redirects.locating = Some(uri.clone());
        }
        self.events.push_back(Event::LocateTarget { id, uri });
        true
    }

    /// Where the target of an [`Event::LocateTarget`] is.
    pub fn target_located(
        &mut self,
        now: Instant,
        id: CallId,
        found: Result<impl Into<Vec<Path>>, String>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let here = call.path.remote.ip();
        let Phase::Outgoing(outgoing) = &mut call.phase else {
            return;
        };
        let Some(uri) = outgoing.redirects.locating.take() else {
            return;
        };
        if !matches!(outgoing.cancel, Cancel::No) {
            // Nothing is under way that could be cancelled.
            return self.forget(id);
        }
        let made = found.and_then(|ways| self.invite_one_of(now, id, here, ways.into(), uri));
        if let Err(reason) = made
            && !self.next_target(now, id)
        {
            let cause = EndCause::Unreachable;
            self.end(id, EndedBy::Network, None, cause, reason);
            self.forget(id);
        }
        self.settle_call(now, id);
    }

    /// The target's servers were found; `here` is who sent the call on.
    fn invite_one_of(
        &mut self,
        now: Instant,
        id: CallId,
        here: IpAddr,
        mut ways: Vec<Path>,
        uri: Uri,
    ) -> Result<(), String> {
        let near = |path: &Path| is_near(path.remote.ip()) && !is_near(here);
        if let Some(path) = ways.iter().find(|path| near(path)) {
            let there = path.remote.ip();
            return Err(format!(
                "the far end sent the call on to {there}, a place of our own"
            ));
        }
        if Transport::of_uri(&uri).is_some_and(Transport::is_secure) {
            ways.retain(|path| path.transport.is_secure());
            if ways.is_empty() {
                return Err(format!("{uri} may be called over TLS only"));
            }
        }
        let mut ways =
            in_order(&self.down, now, ways).map_err(|(path, left)| resting(path, left).reason)?;
        let path = ways
            .pop_front()
            .ok_or_else(|| format!("nobody was found for {uri}"))?;
        if let Some(outgoing) = self.redirectable(id) {
            outgoing.servers = Servers::new(ways);
        }
        self.invite_again(now, id, path, uri)
    }

    fn invite_again(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        uri: Uri,
    ) -> Result<(), String> {
        let lost = || "the call is over".to_owned();
        let outgoing = self.redirectable(id).ok_or_else(lost)?;
        let redirects = &outgoing.redirects;
        let proxies: Vec<Vec<u8>> = redirects.route.iter().map(NameAddr::to_bytes).collect();
        let mut request = redirects.request.clone().ok_or_else(lost)?;
        let sips = uri.scheme == Scheme::Sips;
        let (uri, routes) = RouteSet::new(proxies.iter().map(Vec::as_slice)).apply(&uri);
        request.uri = uri;
        request.headers.remove(HeaderName::Route);
        for route in routes {
            request.headers.push(HeaderName::Route, route);
        }
        self.invite_anew(now, id, path, request, sips)?;
        // With its Via, like every request that was sent.
        let client = self.redirectable(id).map(|outgoing| outgoing.client);
        let sent = client.and_then(|client| self.table.client(client));
        let sent = sent.map(|user| user.request.clone());
        if let Some(outgoing) = self.redirectable(id) {
            outgoing.redirects.request = sent;
        }
        Ok(())
    }
}

/// Whoever is not there themselves does not send a call there.
pub(super) fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_unspecified()
                || ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
                || ip.is_unspecified()
        }
    }
}

/// The `q` of a Contact in thousandths.
fn quality(contact: &NameAddr) -> u16 {
    let q = contact.params.get("q");
    let q = q.and_then(|q| std::str::from_utf8(q).ok()?.parse::<f32>().ok());
    let q = q.filter(|q| (0.0..=1.0).contains(q)).unwrap_or(1.0);
    (q * 1000.0) as u16
}
