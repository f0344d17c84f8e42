// SPDX-License-Identifier: MPL-2.0
//! Alice registers with Bob, who keeps a registrar.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::digest::{Algorithm, Credentials};
use sip_ua::endpoint::{Endpoint, EndpointConfig, Limits, Screen, Verdict};
use sip_ua::registrar::{Binding, Config, UserScreen};
use sip_ua::registration::{Account, RegistrationId, RegistrationState};
use sip_ua::transaction::Timers;

use crate::pair::{Pair, Side, endpoint, everyone};

/// Knows `alice` and `bob`, whose password is `secret`.
pub fn users() -> Screen {
    let password = |user: &str| matches!(user, "alice" | "bob").then(|| "secret".to_owned());
    let users = UserScreen::new(
        "here",
        vec![Algorithm::MD5],
        Arc::new(password),
        Instant::now(),
    );
    Arc::new(move |request, source| {
        users
            .judge(request, source.ip(), Instant::now())
            .unwrap_or(Verdict::Silent)
    })
}

pub fn registrar(screen: Screen, config: Config) -> Endpoint {
    Endpoint::new(EndpointConfig {
        listeners: Vec::new(),
        advertise: None,
        user_agent: "sipbridge-test".to_owned(),
        screen,
        limits: Limits::default(),
        timers: Timers::default(),
        session_timer: Default::default(),
        reliable_early_media: true,
        registrar: Some(config),
        instance: None,
        seed: Some(2),
    })
}

pub fn pair_with(config: Config) -> Pair {
    Pair::of(endpoint(1, everyone()), registrar(users(), config))
}

pub fn account(password: &str, expires: u64) -> Account {
    Account {
        registrar: "sip:192.0.2.2:5070".parse().unwrap(),
        aor: "<sip:alice@example.org>".parse().unwrap(),
        expires: Duration::from_secs(expires),
        credentials: Some(Credentials::new("alice", password)),
        route: Vec::new(),
    }
}

impl Pair {
    pub fn register(&mut self, account: Account) -> RegistrationId {
        let id = RegistrationId::unique();
        self.act(Side::Alice, |alice, now| alice.register(now, id, account));
        id
    }

    /// What the registrar holds of this user now.
    pub fn bound(&mut self, user: &str) -> Vec<Binding> {
        if let Some(bindings) = self.bob.changed_bindings() {
            self.bindings = bindings;
        }
        self.bindings.get(user).cloned().unwrap_or_default()
    }

    /// The last that Alice heard of her registration.
    pub fn registration(&self) -> &RegistrationState {
        &self.registrations.last().expect("news of it").3
    }
}
