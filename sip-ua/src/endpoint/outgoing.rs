// SPDX-License-Identifier: MPL-2.0
//! Calls out, up to the INVITE (RFC 3261 §13.2.1).

use std::collections::VecDeque;
use std::time::Instant;

use smallvec::SmallVec;

use super::call::{Allowance, Call, CallId, Cancel, Outgoing as Ringing, Phase, Timing, Updates};
use super::early::Forks;
use super::failover::{Servers, in_order, resting};
use super::provisional;
use super::reason::Said;
use super::redirect::Redirects;
use super::reliable::Reliable;
use super::send::{ALLOW, ClientKind};
use super::transfer::Transfers;
use super::{CallEvent, End, EndCause, EndedBy, Endpoint, Event, Milestone, Outgoing};
use crate::dialog::{MAX_FORWARDS, RouteSet, SessionTimer};
use crate::digest::Auth;
use crate::transaction::Path;
use crate::transport::Transport;
use crate::wire::{CSeq, HeaderName, Method, NameAddr, Request, Scheme, Uri};

/// The headers that are the user agent's own business.
const RESERVED: [HeaderName; 21] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::Contact,
    HeaderName::ContentLength,
    HeaderName::ContentType,
    HeaderName::ContentEncoding,
    HeaderName::MaxForwards,
    HeaderName::RecordRoute,
    HeaderName::Require,
    HeaderName::Supported,
    HeaderName::Allow,
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
    HeaderName::RAck,
    HeaderName::RSeq,
    HeaderName::Route,
    HeaderName::SessionExpires,
    HeaderName::MinSe,
];

/// Whether the user agent writes this header itself: a call that is to carry one of its own is refused.
pub fn is_own_header(name: &HeaderName) -> bool {
    RESERVED.contains(name)
}

/// A request of no dialog, but for its Via and what follows CSeq.
pub(super) fn outside_of_dialogs(
    from: &NameAddr,
    to: &Uri,
    route: &[NameAddr],
    call_id: &str,
    cseq: CSeq,
) -> Request {
    let proxies: Vec<Vec<u8>> = route.iter().map(NameAddr::to_bytes).collect();
    let proxies = RouteSet::new(proxies.iter().map(Vec::as_slice));
    let (uri, routes) = proxies.apply(&to.as_request_uri());
    let mut request = Request::new(cseq.method.clone(), uri);
    let headers = &mut request.headers;
    for route in routes {
        headers.push(HeaderName::Route, route);
    }
    headers.push(HeaderName::MaxForwards, u32::from(MAX_FORWARDS));
    headers.push(HeaderName::From, from);
    headers.push(HeaderName::To, &NameAddr::from(to.clone()));
    headers.push(HeaderName::CallId, call_id);
    headers.push(HeaderName::CSeq, &cseq);
    request
}

impl Endpoint {
    /// Sends an INVITE. All that can go wrong is told by the call's events.
    ///
    /// `ways` are the servers that may have it, best first: the next one gets it where one is down.
    pub fn dial(&mut self, now: Instant, id: CallId, ways: impl Into<Vec<Path>>, call: Outgoing) {
        let ended = match in_order(&self.down, now, ways.into()) {
            Err((path, left)) => Some(resting(path, left)),
            Ok(mut ways) => {
                self.prefer_flow(now, &call.from.uri, &mut ways);
                self.dial_in_order(now, id, ways, call).err()
            }
        };
        if let Some(end) = ended {
            let event = CallEvent::Ended(end);
            self.events.push_back(Event::Call { id, event });
        }
        self.settle_call(now, id);
    }

    fn dial_in_order(
        &mut self,
        now: Instant,
        id: CallId,
        mut ways: VecDeque<Path>,
        call: Outgoing,
    ) -> Result<(), End> {
        let end = |cause, reason| End::new(EndedBy::Local, None, cause, reason);
        let Some(path) = ways.pop_front() else {
            let reason = "nobody was found to send the call to".to_owned();
            return Err(end(EndCause::Unreachable, reason));
        };
        if self.calls.len() >= self.config.limits.max_calls {
            let reason = "this side has reached its limit of calls".to_owned();
            return Err(end(EndCause::Closing, reason));
        }
        self.place(now, id, path, ways, call)
            .map_err(|why| end(EndCause::Invalid, why))
    }

    fn place(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        others: VecDeque<Path>,
        call: Outgoing,
    ) -> Result<(), String> {
        let request = self.invite(path, &call)?;
        let sips = call.to.scheme == Scheme::Sips;
        let contact = self.dialog_contact(call.from.uri.user_decoded().as_deref(), path, sips);
        let has_offer = call.offer.is_some();
        let redirects = Redirects::new(call.follow_redirects, call.to.clone(), call.route.clone());
        let trace = self.traces.open(call.sip_call_id.as_bytes());
        let session_timer = self.session_timer_of(&call);
        self.calls.insert(
            id,
            Box::new(Call {
                path,
                direct: false,
                contact,
                ours: true,
                // Replaced below, as soon as the transaction has a name.
                phase: Phase::Closing,
                dialog: None,
                dialogs: SmallVec::new(),
                auth: call.credentials.map(Auth::new),
                unacknowledged: None,
                their_reoffer: None,
                our_reoffer: None,
                next_reoffer: None,
                infos: Allowance::new(now),
                rings: Allowance::new(now),
                reliable: Reliable::default(),
                transfers: Transfers::default(),
                stranded: Vec::new(),
                trace,
                timing: Timing::new(session_timer),
                updates: Updates::No,
                described: call.offer,
                said: Said::default(),
                ended: false,
                armed: None,
            }),
        );
        let started = self.start(now, id, ClientKind::Invite, path, request, 0);
        let client = started.map_err(|error| {
            self.calls.remove(&id);
            error.to_string()
        })?;
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.phase = Phase::Outgoing(Box::new(Ringing {
                client,
                forks: Forks::default(),
                redirects,
                servers: Servers::new(others),
                has_offer,
                cancel: Cancel::No,
                ring_until: now.checked_add(call.ring_timeout),
                ring_timeout: call.ring_timeout,
            }));
        }
        self.watch_server(now, id);
        self.passed(now, id, Milestone::Invite);
        Ok(())
    }

    fn session_timer_of(&self, call: &Outgoing) -> SessionTimer {
        call.session_timer.unwrap_or(self.config.session_timer)
    }

    /// The INVITE but for its Via.
    fn invite(&mut self, path: Path, call: &Outgoing) -> Result<Request, String> {
        let unusable = |bytes: &[u8]| bytes.iter().any(|octet| octet.is_ascii_control());
        if !call.to.is_sip() && call.to.scheme != Scheme::Tel {
            return Err("the URI to call is neither sip: nor tel:".to_owned());
        }
        // Behind a proxy, only `sips:` says how the way to it has to be.
        let asked = Transport::of_uri(&call.to).is_some_and(Transport::is_secure);
        let secure = call.to.scheme == Scheme::Sips || (asked && call.route.is_empty());
        if secure && !path.transport.is_secure() {
            return Err(format!("{} may be called over TLS only", call.to));
        }
        if Transport::of_uri(&call.to).is_none() {
            return Err(format!(
                "{} asks for a transport that is not spoken here: udp, tcp and tls are",
                call.to
            ));
        }
        let mut from = call.from.clone();
        if unusable(&call.to.to_bytes()) {
            return Err("the URI to call holds a control character".to_owned());
        }
        if unusable(&from.to_bytes()) {
            return Err("the From address holds a control character".to_owned());
        }
        if call.sip_call_id.is_empty() || call.sip_call_id.chars().any(|c| !c.is_ascii_graphic()) {
            return Err("the Call-ID is empty or holds a blank".to_owned());
        }
        from.set_tag(self.token(12).as_bytes());
        if call.route.iter().any(|proxy| unusable(&proxy.to_bytes())) {
            return Err("the route holds a control character".to_owned());
        }
        let cseq = CSeq {
            number: 1 + (self.random_u32() >> 8),
            method: Method::Invite,
        };
        let mut request = outside_of_dialogs(&from, &call.to, &call.route, &call.sip_call_id, cseq);
        let headers = &mut request.headers;
        let sips = call.to.scheme == Scheme::Sips;
        let contact = self.dialog_contact(from.uri.user_decoded().as_deref(), path, sips);
        headers.push(HeaderName::Contact, &contact);
        headers.push(HeaderName::Allow, ALLOW);
        self.session_timer_of(call).ask(None, None, headers);
        headers.set(HeaderName::Supported, provisional::supported());
        for (name, value) in &call.headers {
            if is_own_header(&HeaderName::from(name.as_str())) {
                return Err(format!(
                    "the {name} header is written by the user agent itself"
                ));
            }
            headers
                .try_push(name, value.as_slice())
                .map_err(|error| error.to_string())?;
        }
        if let Some(offer) = &call.offer {
            headers.push(HeaderName::ContentType, "application/sdp");
            request.body = offer.clone();
        }
        Ok(request)
    }
}
