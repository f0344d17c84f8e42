// SPDX-License-Identifier: MPL-2.0
//! Registrations that make one connection the way for calls in and out (RFC 5626), as a client.
//!
//! Over UDP nothing of this is offered: to keep such a flow takes STUN (§4.4.2), and its refreshes
//! keep the binding as they always did.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::registrations::OwnRegistration;
use super::{Endpoint, Event};
use crate::registration::{RegistrationId, Step, Then};
use crate::transaction::Path;
use crate::transport::{FlowId, Hop, Transport};
use crate::wire::{HeaderName, NameAddr, Response, Uri};

/// The option tag.
pub(crate) const OPTION: &str = "outbound";
/// That of RFC 3327: proxies on the way may have calls come by them.
pub(super) const PATH: &str = "path";
/// What says how often the flow is to be kept alive, in seconds (§10).
const FLOW_TIMER: &str = "Flow-Timer";
/// Between keep-alives where nothing else is said, at most (§4.4.1).
const KEPT_ALIVE: Duration = Duration::from_secs(120);
/// How long its answer may take.
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// A connection that a registrar sends calls down.
pub(super) struct OwnFlow {
    id: FlowId,
    /// When a keep-alive must have been answered, if it still stands.
    proven_at: Instant,
}

impl Endpoint {
    /// What tells a registrar who this is, and that a connection may be used both ways (§4.2).
    pub(super) fn offer_outbound(&self, own: &OwnRegistration, contact: &mut NameAddr) -> bool {
        let Some(instance) = &self.config.instance else {
            return false;
        };
        let instance = format!("<{instance}>");
        contact
            .params
            .set_quoted("+sip.instance", instance.as_bytes());
        let offered = own.offers_outbound();
        if offered {
            contact.params.set("reg-id", own.reg_id.to_string());
        }
        offered
    }

    /// The number of one more registration of this address: it must be no other's (§4.2).
    pub(super) fn new_reg_id(&self, aor: &Uri) -> u32 {
        let others = self.registrations.values();
        let taken: Vec<u32> = others
            .filter(|own| own.machine.aor() == aor)
            .map(|own| own.reg_id)
            .collect();
        (1..).find(|id| !taken.contains(id)).unwrap_or(1)
    }

    /// A 2xx to a REGISTER came over `flow`.
    pub(super) fn flow_registered(
        &mut self,
        now: Instant,
        id: RegistrationId,
        flow: Option<FlowId>,
        response: &Response,
    ) {
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        let agreed = own.offers_outbound() && response.headers.lists(HeaderName::Require, OPTION);
        let Some(flow) = flow.filter(|_| agreed) else {
            own.flow = None;
            return;
        };
        if let Some(path) = &mut own.path {
            path.flow = Some(flow);
        }
        let every = flow_timer(response);
        if own.flow.as_ref().is_none_or(|known| known.id != flow) {
            let proven_at = now + every + PONG_WITHIN;
            own.flow = Some(OwnFlow {
                id: flow,
                proven_at,
            });
        }
        self.events.push_back(Event::KeepAlive { flow, every });
    }

    /// The first hop does not know the extension (439, §11.6): it goes without. True if that is new.
    pub(super) fn goes_without_outbound(&mut self, now: Instant, id: RegistrationId) -> bool {
        let Some(own) = self.registrations.get_mut(&id) else {
            return false;
        };
        if !own.offers_outbound() || !own.machine.is_asking() {
            return false;
        }
        own.outbound = false;
        let step = Step {
            tell: None,
            then: Then::Send,
        };
        self.take_registration(now, id, step);
        true
    }

    /// A connection with this far end broke: what was registered over it is registered anew (§4.5).
    pub(super) fn flows_lost(&mut self, now: Instant, far: Hop) {
        let lost = |own: &OwnRegistration| {
            own.flow.is_some() && own.path.is_some_and(|path| path.hop() == far)
        };
        let own = self.registrations.iter();
        let lost: Vec<RegistrationId> = own
            .filter(|(_, own)| lost(own))
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            let roll = self.random_u32();
            let Some(own) = self.registrations.get_mut(&id) else {
                continue;
            };
            let flow = own.flow.take();
            if let Some(path) = &mut own.path {
                path.flow = None;
            }
            let proven = flow.is_some_and(|flow| flow.proven_at <= now);
            let reason = format!("the connection with {far} broke");
            let step = own.machine.flow_lost(now, proven, reason, roll);
            self.take_registration(now, id, step);
        }
    }

    /// Whether what takes this way goes over a connection that is registered.
    pub(super) fn is_registered_flow(&self, path: Path) -> bool {
        let mut own = self.registrations.values();
        own.any(|own| {
            let Some(flow) = &own.flow else {
                return false;
            };
            path.flow == Some(flow.id) || own.path.is_some_and(|known| known.hop() == path.hop())
        })
    }

    /// Of the servers that may have a call, the one that its caller is registered with over a flow
    /// comes first (§4.3).
    pub(super) fn prefer_flow(&self, now: Instant, from: &Uri, ways: &mut VecDeque<Path>) {
        let flows = self.registrations.values().filter(|own| {
            let aor = own.machine.aor();
            own.flow.is_some() && aor.user_decoded() == from.user_decoded() && aor.host == from.host
        });
        for path in flows.filter_map(|own| own.path) {
            let at = ways.iter().position(|way| way.hop() == path.hop());
            if let Some(at) = at.filter(|_| !self.down.is_down(now, path.hop())) {
                ways.remove(at);
                ways.push_front(path);
                return;
            }
        }
    }
}

impl OwnRegistration {
    /// WebSockets are never opened from here.
    fn offers_outbound(&self) -> bool {
        let transport = self.path.map(|path| path.transport);
        self.outbound && matches!(transport, Some(Transport::Tcp | Transport::Tls))
    }
}

fn flow_timer(response: &Response) -> Duration {
    let value = response.headers.get(FLOW_TIMER);
    let seconds = value.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    seconds.map_or(KEPT_ALIVE, Duration::from_secs)
}
