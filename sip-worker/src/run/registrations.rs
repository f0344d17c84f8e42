// SPDX-License-Identifier: MPL-2.0
//! Where this worker is registered, and who is registered here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use secrecy::ExposeSecret;
use serde::Serialize;
use sip_ua::agent::{Agent, Binding, Registration, RegistrationConfig, RegistrationState};
use sip_ua::digest::Credentials;
use sip_ua::wire::{NameAddr, Uri};
use tokio::sync::watch;

use super::Worker;
use crate::calls::Event;
use crate::config::Trunk;
use crate::http::metrics::Exposition;

/// How the registration of a trunk stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrunkRegistration {
    /// `[[trunk]] name`
    pub trunk: String,
    /// `registering`, `registered`, `failed` or `unregistered`.
    pub state: &'static str,
    /// Where the registrar was found: `udp:192.0.2.1:5060`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registrar: Option<String>,
    /// Seconds until the binding runs out. It is refreshed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// The SIP status it was refused with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// One sentence: why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Seconds until it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in: Option<u64>,
}

/// Where a user can be reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserRegistration {
    /// `[[user]] name`
    pub user: String,
    /// Its phones, the one heard of last first. None: it is not registered.
    pub contacts: Vec<Contact>,
}

/// A phone of a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contact {
    /// What it registered.
    pub uri: String,
    /// Where it was heard from: `udp:192.0.2.7:5062`.
    pub address: String,
    /// Seconds until that runs out.
    pub expires_in: u64,
    /// What it says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// The registrations of all trunks. They end when this is dropped.
#[derive(Debug, Default)]
pub struct Registrations {
    trunks: Vec<(Arc<Trunk>, Registration)>,
}

impl Registrations {
    /// Begins to register with every trunk that says so.
    pub fn begin(agent: &Agent, trunks: &[Arc<Trunk>]) -> Registrations {
        let register = |trunk: &Arc<Trunk>| {
            let config = config(trunk)?;
            Some((trunk.clone(), agent.register(config)))
        };
        Registrations {
            trunks: trunks.iter().filter_map(register).collect(),
        }
    }

    /// How they stand.
    pub fn list(&self) -> Vec<TrunkRegistration> {
        self.trunks
            .iter()
            .map(|(trunk, registration)| shown(trunk, registration))
            .collect()
    }
}

fn config(trunk: &Trunk) -> Option<RegistrationConfig> {
    let (expires, uri) = (trunk.register?, trunk.uri.clone()?);
    let username = trunk.username.as_ref()?;
    let mut aor = Uri::sip(Some(username.as_bytes()), uri.host.clone(), None);
    if let Some(domain) = &trunk.from_domain
        && let Ok(address) = format!("sip:{domain}").parse::<Uri>()
    {
        aor.host = address.host;
    }
    // A loose router, as calls out have it.
    let route = trunk.outbound_proxy.clone().map(|mut proxy| {
        proxy.params.set_flag("lr");
        NameAddr::from(proxy)
    });
    Some(RegistrationConfig {
        registrar: uri,
        aor: aor.into(),
        expires,
        credentials: trunk
            .password
            .as_ref()
            .map(|password| Credentials::new(username, password.expose_secret())),
        next_hop: None,
        route: route.into_iter().collect(),
    })
}

fn seconds_until(at: Instant) -> u64 {
    at.saturating_duration_since(Instant::now()).as_secs()
}

fn shown(trunk: &Trunk, registration: &Registration) -> TrunkRegistration {
    let mut shown = TrunkRegistration {
        trunk: trunk.name.clone(),
        state: "registering",
        registrar: registration.registrar_hop().map(|hop| hop.to_string()),
        expires_in: None,
        code: None,
        why: None,
        retry_in: None,
    };
    match registration.state() {
        RegistrationState::Registered { expires_at } => {
            shown.state = "registered";
            shown.expires_in = Some(seconds_until(expires_at));
        }
        RegistrationState::Failed {
            status,
            reason,
            retry_at,
        } => {
            shown.state = "failed";
            shown.code = status;
            shown.why = Some(reason);
            shown.retry_in = Some(seconds_until(retry_at));
        }
        RegistrationState::Unregistered => shown.state = "unregistered",
        _ => {}
    }
    shown
}

fn contacts(bindings: &[Binding]) -> Vec<Contact> {
    bindings
        .iter()
        .map(|binding| Contact {
            uri: binding.contact.to_string(),
            address: binding.hop.to_string(),
            expires_in: seconds_until(binding.expires_at),
            user_agent: binding.user_agent.clone(),
        })
        .collect()
}

impl Worker {
    /// How each `[[user]]` can be reached.
    pub fn users(&self) -> Vec<UserRegistration> {
        self.config
            .users
            .iter()
            .map(|user| UserRegistration {
                user: user.name.clone(),
                contacts: contacts(&self.agent.bindings(&user.name)),
            })
            .collect()
    }
}

/// Adds both kinds to the metrics.
pub(super) fn expose(worker: &Worker, out: &mut Exposition) {
    let name = "sipbridge_trunk_registered";
    out.metric(
        name,
        "gauge",
        "1 while this worker is registered with the trunk.",
    );
    for trunk in worker.registrations.list() {
        let registered = u8::from(trunk.state == "registered");
        out.sample(name, &[("trunk", &trunk.trunk)], registered);
    }
    let name = "sipbridge_user_phones";
    out.metric(
        name,
        "gauge",
        "Phones of the user that are registered here.",
    );
    for user in worker.users() {
        out.sample(name, &[("user", &user.user)], user.contacts.len());
    }
}

/// Tells the log, the event stream and the screen what becomes of the registrations, until the
/// worker is gone.
pub(super) fn follow(worker: &Arc<Worker>) {
    for (trunk, registration) in &worker.registrations.trunks {
        tokio::spawn(follow_trunk(
            worker.clone(),
            trunk.clone(),
            registration.watch(),
        ));
    }
    tokio::spawn(follow_users(worker.clone()));
}

async fn follow_trunk(
    worker: Arc<Worker>,
    trunk: Arc<Trunk>,
    mut news: watch::Receiver<RegistrationState>,
) {
    // Refreshes are no news for people.
    let mut last = None;
    // An error means that the agent is gone.
    while news.changed().await.is_ok() {
        let state = news.borrow_and_update().clone();
        let list = worker.registrations.list();
        let Some(shown) = list.into_iter().find(|shown| shown.trunk == trunk.name) else {
            return;
        };
        let registrar = worker
            .registrations
            .trunks
            .iter()
            .find(|(known, _)| known.name == trunk.name)
            .and_then(|(_, registration)| registration.registrar_hop());
        if let (RegistrationState::Registered { .. }, Some(hop)) = (&state, registrar) {
            worker
                .doorkeeper
                .registered(&trunk.name, Some(hop.addr.ip()));
        }
        match &state {
            RegistrationState::Registered { .. } if last == Some("registered") => continue,
            RegistrationState::Registered { .. } => {
                tracing::info!(
                    trunk = trunk.name,
                    registrar = shown.registrar,
                    "registered"
                );
            }
            RegistrationState::Failed { reason, .. } => {
                let retry_in = shown.retry_in;
                tracing::warn!(
                    trunk = trunk.name,
                    code = shown.code,
                    why = reason,
                    retry_in,
                    "not registered"
                );
            }
            RegistrationState::Unregistered => {
                worker.doorkeeper.registered(&trunk.name, None);
                tracing::info!(trunk = trunk.name, "registration taken back");
            }
            _ => {}
        }
        last = Some(shown.state);
        worker.calls.tell(Event::Registration {
            registration: shown,
        });
    }
}

async fn follow_users(worker: Arc<Worker>) {
    let mut bindings = worker.agent.watch_bindings();
    let mut last: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while bindings.changed().await.is_ok() {
        bindings.borrow_and_update();
        for user in worker.users() {
            let mut addresses: Vec<String> = user.contacts.iter().map(|c| c.uri.clone()).collect();
            addresses.sort();
            // A refresh is no news for people.
            if last.get(&user.user).map(Vec::as_slice).unwrap_or_default() == addresses {
                continue;
            }
            tracing::info!(
                user = user.user,
                phones = addresses.len(),
                "registered phones"
            );
            last.insert(user.user.clone(), addresses);
            worker.calls.tell(Event::User { user });
        }
    }
}
