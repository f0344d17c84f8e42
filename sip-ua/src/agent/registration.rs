// SPDX-License-Identifier: MPL-2.0
//! Registrations as their users see them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::command::{Command, Commands, Register};
use crate::digest::Credentials;
use crate::registration::{Account, RegistrationId, RegistrationState};
use crate::transport::Hop;
use crate::wire::{NameAddr, Uri};

/// What to register, and where.
#[derive(Debug, Clone)]
pub struct RegistrationConfig {
    /// The domain to register with, `sip:example.org`. A user part is left out.
    pub registrar: Uri,
    /// Who registers. Its user part is that of our Contact too.
    pub aor: NameAddr,
    /// For how long to ask. What the registrar grants counts, and it is refreshed in time.
    pub expires: Duration,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
    /// Where to send it, if not to the first of `route` or to the host of `registrar`.
    pub next_hop: Option<Hop>,
    /// Proxies that it must pass, nearest first.
    pub route: Vec<NameAddr>,
}

/// Keeps us registered until it is dropped; then the binding is taken back.
pub struct Registration {
    id: RegistrationId,
    commands: Commands,
    state: watch::Receiver<RegistrationState>,
    remote: Remote,
}

/// Where the registrar was found last.
pub(super) type Remote = Arc<Mutex<Option<Hop>>>;

impl Registration {
    pub(super) fn begin(commands: &Commands, config: RegistrationConfig) -> Registration {
        let id = RegistrationId::unique();
        let (sender, state) = watch::channel(RegistrationState::Registering);
        let remote = Remote::default();
        let RegistrationConfig {
            registrar,
            aor,
            expires,
            credentials,
            next_hop,
            route,
        } = config;
        let towards = route.first().map_or(&registrar, |proxy| &proxy.uri).clone();
        let account = Account {
            registrar,
            aor,
            expires,
            credentials,
            route,
        };
        commands.send(Command::Register(Box::new(Register {
            id,
            account,
            towards,
            next_hop,
            state: sender,
            remote: remote.clone(),
        })));
        Registration {
            id,
            commands: commands.clone(),
            state,
            remote,
        }
    }

    /// How it stands.
    pub fn state(&self) -> RegistrationState {
        self.state.borrow().clone()
    }

    /// Follows how it stands. The sender is gone once it is [`RegistrationState::Unregistered`].
    pub fn watch(&self) -> watch::Receiver<RegistrationState> {
        self.state.clone()
    }

    /// Where the registrar was found last.
    pub fn registrar_hop(&self) -> Option<Hop> {
        *self.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the binding back and waits for that, as dropping does without waiting.
    pub async fn unregister(self) {
        self.commands.send(Command::Unregister { id: self.id });
        let mut state = self.state.clone();
        // An error means that the agent is gone, and with it the registration.
        let _ = state
            .wait_for(|state| *state == RegistrationState::Unregistered)
            .await;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.commands.send(Command::Unregister { id: self.id });
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
