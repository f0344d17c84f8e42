// SPDX-License-Identifier: MPL-2.0
//! The task's part in registrations: finding registrars, passing news on.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Instant;

use tokio::sync::watch;

use super::command::{Command, Register};
use super::registration::Remote;
use super::task::Task;
use crate::registration::{RegistrationId, RegistrationState};
use crate::transport::Hop;
use crate::wire::Uri;

/// What the task keeps of its registrations.
pub(super) type Watched = HashMap<RegistrationId, Watcher>;

pub(super) struct Watcher {
    towards: Uri,
    next_hop: Option<Hop>,
    state: watch::Sender<RegistrationState>,
    remote: Remote,
}

impl Watcher {
    /// The agent goes, and with it this.
    pub(super) fn give_up(self) {
        self.state.send_replace(RegistrationState::Unregistered);
    }
}

impl Task {
    pub(super) fn register(&mut self, now: Instant, register: Register) {
        let Register {
            id,
            account,
            towards,
            next_hop,
            state,
            remote,
        } = register;
        if self.is_closing() {
            state.send_replace(RegistrationState::Unregistered);
            return;
        }
        self.watched.insert(
            id,
            Watcher {
                towards,
                next_hop,
                state,
                remote,
            },
        );
        self.endpoint.register(now, id, account);
    }

    /// Finds the address of a registrar: anew each time, for names move.
    pub(super) fn locate(&mut self, id: RegistrationId) {
        let Some(watcher) = self.watched.get(&id) else {
            return;
        };
        let known = watcher.next_hop.map(|hop| Ok(vec![hop]));
        if let Some(found) = known.or_else(|| self.names.at_once(&watcher.towards)) {
            return self.located(Instant::now(), id, found);
        }
        let (towards, commands) = (watcher.towards.clone(), self.commands.clone());
        let names = self.names.clone();
        tokio::spawn(async move {
            let found = names.resolve(&towards).await;
            commands.send(Command::Located { id, found });
        });
    }

    pub(super) fn located(
        &mut self,
        now: Instant,
        id: RegistrationId,
        found: Result<Vec<Hop>, String>,
    ) {
        let paths = found.and_then(|hops| self.paths_to(hops));
        self.endpoint.located(now, id, paths);
    }

    pub(super) fn tell_registration(&mut self, id: RegistrationId, state: RegistrationState) {
        let over = state == RegistrationState::Unregistered;
        if let Some(watcher) = self.watched.get(&id) {
            if let Some(hop) = self.endpoint.registrar_of(id) {
                let remote = watcher.remote.lock();
                *remote.unwrap_or_else(PoisonError::into_inner) = Some(hop);
            }
            // Whoever is told that it is registered calls by what that said.
            let routes = self.endpoint.service_routes();
            self.told.service_routes.send_replace(routes);
            watcher.state.send_replace(state);
        }
        if over {
            self.watched.remove(&id);
        }
    }

    /// Takes all bindings back.
    pub(super) fn unregister_all(&mut self, now: Instant) {
        for id in self.endpoint.registration_ids() {
            self.endpoint.unregister(now, id);
        }
    }
}
