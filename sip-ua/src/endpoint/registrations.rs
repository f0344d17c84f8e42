// SPDX-License-Identifier: MPL-2.0
//! The registrations of this user agent with others: their requests, answers and timers.

use std::net::SocketAddr;
use std::time::Instant;

use super::send::{ALLOW, ClientKind, ClientUse};
use super::{Endpoint, Event};
use crate::registration::{Account, Registration, RegistrationId, Step, Then};
use crate::transaction::{ClientKey, Path};
use crate::wire::{Core, HeaderName, NameAddr, Response};

pub(super) struct OwnRegistration {
    machine: Registration,
    /// The way to the registrar, once it was found.
    path: Option<Path>,
    /// The Contact of the request under way.
    contact: Option<NameAddr>,
}

impl Endpoint {
    /// Begins to register, and to stay so until [`unregister`](Self::unregister). An
    /// [`Event::Locate`] comes first, and again after each failure.
    pub fn register(&mut self, now: Instant, id: RegistrationId, account: Account) {
        let machine = Registration::new(account, self.new_sip_call_id(), self.token(12));
        self.registrations.insert(
            id,
            OwnRegistration {
                machine,
                path: None,
                contact: None,
            },
        );
        self.events.push_back(Event::Locate { id });
        self.settle(now);
    }

    /// The way to the registrar, or why there is none.
    pub fn located(&mut self, now: Instant, id: RegistrationId, found: Result<Path, String>) {
        let roll = self.random_u32();
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        if let Ok(path) = &found {
            own.path = Some(*path);
        }
        let step = own.machine.located(now, found.map(|_| ()), roll);
        self.take_registration(now, id, step);
        self.settle(now);
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
            .filter_map(|own| own.machine.poll_timeout())
            .min()
    }

    pub(super) fn run_registrations(&mut self, now: Instant) {
        let due = |own: &OwnRegistration| own.machine.poll_timeout().is_some_and(|at| at <= now);
        let due: Vec<RegistrationId> = self
            .registrations
            .iter()
            .filter(|(_, own)| due(own))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(own) = self.registrations.get_mut(&id) {
                let step = own.machine.handle_timeout(now);
                self.take_registration(now, id, step);
            }
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
        if response.status < 200 {
            return;
        }
        let roll = self.random_u32();
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        let Some(contact) = &own.contact else {
            return;
        };
        let step = own
            .machine
            .handle_response(now, response, core, contact, roll);
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
        let roll = self.random_u32();
        let Some(own) = self.registrations.get_mut(&id) else {
            return;
        };
        let step = own.machine.unanswered(now, reason, roll);
        self.take_registration(now, id, step);
    }

    /// Whether the registrar is reached at this address.
    pub(super) fn registers_at(&self, remote: SocketAddr) -> bool {
        let mut ways = self.registrations.values().filter_map(|own| own.path);
        ways.any(|path| path.remote == remote)
    }

    fn take_registration(&mut self, now: Instant, id: RegistrationId, step: Step) {
        let mut next = Some(step);
        while let Some(Step { tell, then }) = next.take() {
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
        let contact = self.contact(own.machine.user().as_deref(), path, sips);
        let own = self.registrations.get_mut(&id).ok_or_else(lost)?;
        let mut request = own.machine.request(&contact)?;
        own.contact = Some(contact);
        let (via, branch) = self.via(path);
        request.headers.push_front(HeaderName::Via, &via);
        request.headers.push(HeaderName::Allow, ALLOW);
        request
            .headers
            .push(HeaderName::UserAgent, self.config.user_agent.as_str());
        let packet = request.to_bytes().into();
        let key = ClientKey::new(branch.as_bytes(), &request.method);
        let user = ClientUse {
            call: None,
            kind: ClientKind::Register(id),
            request,
            attempts: 0,
            without_tcp: None,
            acks: Vec::new(),
            lost: Vec::new(),
        };
        self.table.start_client(now, key, path, packet, user);
        Ok(())
    }
}
