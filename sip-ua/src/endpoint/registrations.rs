// SPDX-License-Identifier: MPL-2.0
//! The registrations of this user agent with others: their requests, answers and timers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::failover::{REGISTER_PATIENCE, in_order, resting};
use super::outbound::{OPTION, OwnFlow, PATH};
use super::send::{ALLOW, ClientKind, ClientUse};
use super::{Endpoint, Event};
use crate::registration::{Account, Registration, RegistrationId, RegistrationState, Step, Then};
use crate::transaction::{ClientId, Path};
use crate::transport::{FlowId, Hop};
use crate::wire::{Core, HeaderName, NameAddr, Request, Response, Uri};

pub(super) struct OwnRegistration {
    pub(super) machine: Registration,
    /// The way to the registrar, once it was found.
    pub(super) path: Option<Path>,
    /// Other servers that may register us, best first.
    others: VecDeque<Path>,
    /// It is with another server than the one that should be asked first.
    away: bool,
    /// The request under way.
    client: Option<ClientId>,
    /// When another server is asked, if this one says nothing.
    hurry_at: Option<Instant>,
    /// The Contact of the request under way.
    contact: Option<NameAddr>,
    /// Tells it from others of the same address (RFC 5626 §4.2).
    pub(super) reg_id: u32,
    /// It may go both ways over one connection; not where the first hop knows nothing of that.
    pub(super) outbound: bool,
    /// The connection that it agreed to.
    pub(super) flow: Option<OwnFlow>,
    /// What the last response came over.
    answered_over: Option<FlowId>,
    /// The proxies that calls of this address are to pass (RFC 3608), nearest first.
    service_route: Vec<NameAddr>,
}

impl OwnRegistration {
    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [self.machine.poll_timeout(), self.hurry_at];
        deadlines.into_iter().flatten().min()
    }
}

impl Endpoint {
    /// Begins to register, and to stay so until [`unregister`](Self::unregister). An
    /// [`Event::Locate`] comes first, and again after each failure.
    pub fn register(&mut self, now: Instant, id: RegistrationId, account: Account) {
        let reg_id = self.new_reg_id(&account.aor.uri);
        let machine = Registration::new(account, self.new_sip_call_id(), self.token(12));
        self.registrations.insert(
            id,
            OwnRegistration {
                machine,
                path: None,
                others: VecDeque::new(),
                away: false,
                client: None,
                hurry_at: None,
                contact: None,
                reg_id,
                outbound: true,
                flow: None,
                answered_over: None,
                service_route: Vec::new(),
            },
        );
        self.events.push_back(Event::Locate { id });
        self.settle(now);
    }

    /// The ways to the servers of the registrar, best first, or why there are none.
    pub fn located(
        &mut self,
        now: Instant,
        id: RegistrationId,
        found: Result<impl Into<Vec<Path>>, String>,
    ) {
        let roll = self.random_u32();
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        let found = found.map(Into::into).and_then(|ways: Vec<Path>| {
            let best = ways.first().map(Path::hop);
            let order = in_order(&self.down, now, ways);
            let mut order = order.map_err(|(path, left)| resting(path, left).reason)?;
            let nobody = || "the registrar was not found".to_owned();
            let path = order.pop_front().ok_or_else(nobody)?;
            own.away = best != Some(path.hop());
            (own.path, own.others) = (Some(path), order);
            Ok(())
        });
        // Where it is bound it can be refreshed, whatever name servers say now.
        let found = found.or_else(|why| match own.away && own.path.is_some() {
            true => Ok(()),
            false => Err(why),
        });
        let step = own.machine.located(now, found, roll);
        self.take_registration(now, id, step);
        self.settle(now);
    }

    /// Where the registrar is that was asked last.
    pub fn registrar_of(&self, id: RegistrationId) -> Option<Hop> {
        self.registrations.get(&id)?.path.map(|path| path.hop())
    }

    /// The addresses that are registered, and the proxies that calls of each are to pass, nearest first
    /// (RFC 3608). Registrars that name none leave that to the caller.
    pub fn service_routes(&self) -> Vec<(Uri, Vec<NameAddr>)> {
        let own = self.registrations.values();
        let named = own.filter(|own| !own.service_route.is_empty());
        named
            .map(|own| (own.machine.aor().clone(), own.service_route.clone()))
            .collect()
    }

    /// Takes the binding back. It ends with
    /// [`RegistrationState::Unregistered`](crate::registration::RegistrationState::Unregistered).
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) {
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        let step = own.machine.stop();
        self.take_registration(now, id, step);
        self.settle(now);
    }

    /// All registrations that have not ended.
    pub fn registration_ids(&self) -> Vec<RegistrationId> {
        self.registrations.keys().copied().collect()
    }

    pub(super) fn next_registration(&self) -> Option<Instant> {
        let registrations = self.registrations.values();
        registrations
            .filter_map(OwnRegistration::poll_timeout)
            .min()
    }

    pub(super) fn run_registrations(&mut self, now: Instant) {
        let due = |own: &OwnRegistration| own.poll_timeout().is_some_and(|at| at <= now);
        let due: Vec<RegistrationId> = self
            .registrations
            .iter()
            .filter(|(_, own)| due(own))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(own) = self.registrations.get_mut(&id) else {
                continue;
            };
            if own.hurry_at.is_some_and(|at| at <= now) {
                self.registrar_is_silent(now, id);
                continue;
            }
            let mut step = own.machine.handle_timeout(now);
            // It is with the second best: the best may be back.
            if step.then == Then::Send && own.away && own.machine.locate_again() {
                step.then = Then::Locate;
            }
            self.take_registration(now, id, step);
        }
        self.settle(now);
    }

    pub(super) fn handle_registered(
        &mut self,
        now: Instant,
        id: RegistrationId,
        response: &Response,
        core: &Core,
    ) {
        if let Some(own) = self.registrations.get_mut(&id) {
            own.hurry_at = None;
        }
        if response.status < 200 {
            return;
        }
        if response.status == 503 && self.next_registrar(now, id, "it answered 503") {
            return;
        }
        if response.status == 439 && self.goes_without_outbound(now, id) {
            return;
        }
        let roll = self.random_u32();
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        let Some(contact) = &own.contact else {
            return;
        };
        own.client = None;
        let step = own
            .machine
            .handle_response(now, response, core, contact, roll);
        if response.status < 300 {
            own.service_route = service_route(response);
            let flow = own.answered_over;
            self.flow_registered(now, id, flow, response);
        }
        self.take_registration(now, id, step);
    }

    pub(super) fn registration_unanswered(&mut self, now: Instant, id: RegistrationId) {
        let seconds = self.table.timers().give_up().as_secs();
        let Some(own) = self.registrations.get(&id) else {
            return;
        };
        let remote = own.path.map(|path| path.remote.to_string());
        let remote = remote.as_deref().unwrap_or("the registrar");
        let reason = format!("{remote} did not answer our REGISTER within {seconds} s");
        self.registration_unreachable(now, id, reason);
    }

    /// A REGISTER had no effect: nobody is there. `reason` names the far end.
    pub(super) fn registration_unreachable(
        &mut self,
        now: Instant,
        id: RegistrationId,
        reason: String,
    ) {
        let server = self.registrations.get(&id).and_then(|own| own.path);
        if let Some(server) = server {
            self.down.failed(now, server.hop(), &reason);
        }
        if self.next_registrar(now, id, &reason) {
            return;
        }
        let roll = self.random_u32();
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        let step = own.machine.unanswered(now, reason, roll);
        self.take_registration(now, id, step);
    }

    /// It said nothing for as long as one that lives would take.
    fn registrar_is_silent(&mut self, now: Instant, id: RegistrationId) {
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        own.hurry_at = None;
        let (client, server) = (own.client, own.path);
        let Some(server) = server.filter(|_| own.machine.elsewhere()) else {
            return;
        };
        // Should it answer after all, its binding runs out.
        let abandoned = client.and_then(|client| self.table.abandon(client));
        if let Some(user) = abandoned.filter(|user| user.detour) {
            // Perhaps only TCP leads nowhere.
            return self.without_tcp(now, user);
        }
        let why = format!("{} does not answer", server.remote);
        self.registration_unreachable(now, id, why);
    }

    /// Sends the REGISTER to the next server. False if there is none.
    fn next_registrar(&mut self, now: Instant, id: RegistrationId, why: &str) -> bool {
        let Some(own) = self.registrations.get_mut(&id) else {
            return false;
        };
        own.hurry_at = None;
        if own.others.is_empty() || !own.machine.elsewhere() {
            return false;
        }
        own.path = own.others.pop_front();
        own.away = true;
        let to = own.path.map(|path| path.hop().to_string());
        tracing::info!(to, why, "a registration goes to the next server");
        let then = Then::Send;
        self.take_registration(now, id, Step { tell: None, then });
        true
    }

    /// Whether the registrar is reached at this address.
    pub(super) fn registers_at(&self, remote: SocketAddr) -> bool {
        let mut ways = self.registrations.values().filter_map(|own| own.path);
        ways.any(|path| path.remote == remote)
    }

    /// What the next response comes over.
    pub(super) fn registrar_answers_over(&mut self, id: RegistrationId, flow: Option<FlowId>) {
        if let Some(own) = self.registrations.get_mut(&id) {
            own.answered_over = flow;
        }
    }

    pub(super) fn take_registration(&mut self, now: Instant, id: RegistrationId, step: Step) {
        let mut next = Some(step);
        while let Some(Step { tell, then }) = next.take() {
            let bound = matches!(tell, None | Some(RegistrationState::Registered { .. }));
            if let Some(own) = self.registrations.get_mut(&id).filter(|_| !bound) {
                own.flow = None;
            }
            if let Some(state) = tell {
                self.events.push_back(Event::Registration { id, state });
            }
            match then {
                Then::Wait => {}
                Then::Locate => self.events.push_back(Event::Locate { id }),
                Then::Send => {
                    if let Err(reason) = self.send_register(now, id) {
                        let roll = self.random_u32();
                        let own = self.registrations.get_mut(&id);
                        next = own.map(|own| own.machine.unsendable(now, reason, roll));
                    }
                }
                Then::Over => {
                    self.registrations.remove(&id);
                }
            }
        }
    }

    fn send_register(&mut self, now: Instant, id: RegistrationId) -> Result<(), String> {
        let lost = || "the registrar was not found".to_owned();
        let own = self.registrations.get(&id).ok_or_else(lost)?;
        let path = own.path.ok_or_else(lost)?;
        let sips = own.machine.is_secure();
        let mut contact = self.contact(own.machine.user().as_deref(), path, sips);
        let outbound = self.offer_outbound(own, &mut contact);
        let own = self.registrations.get_mut(&id).ok_or_else(lost)?;
        let mut request = own.machine.request(&contact)?;
        own.contact = Some(contact);
        let supported = match outbound {
            true => format!("{PATH}, {OPTION}"),
            false => PATH.to_owned(),
        };
        request.headers.push(HeaderName::Supported, supported);
        request.headers.push(HeaderName::Allow, ALLOW);
        request
            .headers
            .push(HeaderName::UserAgent, self.config.user_agent.as_str());
        self.launch_register(now, id, path, request);
        Ok(())
    }

    /// Sends a REGISTER, which has no Via yet.
    pub(super) fn launch_register(
        &mut self,
        now: Instant,
        id: RegistrationId,
        path: Path,
        request: Request,
    ) {
        let user = ClientUse::new(None, ClientKind::Register(id), path, request);
        let client = self.launch(now, user);
        if let Some(own) = self.registrations.get_mut(&id) {
            own.client = Some(client);
            own.hurry_at = (!own.others.is_empty()).then_some(now + REGISTER_PATIENCE);
        }
    }
}

/// RFC 3608 §6.1: what the registrar says counts until it says something else. One that cannot be read as a whole
/// is none.
fn service_route(response: &Response) -> Vec<NameAddr> {
    let list = response.headers.list(HeaderName::ServiceRoute);
    let proxies: Option<Vec<NameAddr>> = list
        .map(|value| {
            let proxy = NameAddr::parse(value).ok()?;
            let usable = proxy.uri.is_sip() && !value.iter().any(u8::is_ascii_control);
            usable.then_some(proxy)
        })
        .collect();
    proxies.unwrap_or_else(|| {
        tracing::warn!("the Service-Route of a registrar cannot be read");
        Vec::new()
    })
}
