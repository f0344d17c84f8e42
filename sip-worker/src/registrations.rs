// SPDX-License-Identifier: MPL-2.0
//! Where this worker is registered, and who is registered here.

use std::sync::Arc;
use std::time::Instant;

use secrecy::ExposeSecret;
use serde::Serialize;
use sip_ua::agent::{Agent, Binding, Registration, RegistrationConfig, RegistrationState};
use sip_ua::digest::Credentials;
use sip_ua::wire::{NameAddr, Uri};

use crate::config::{Trunk, User};

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
    /// The proxies that calls to it go by (RFC 3327), the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
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

    /// Each trunk that is registered, or should be.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<Trunk>, &Registration)> {
        self.trunks
            .iter()
            .map(|(trunk, registration)| (trunk, registration))
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
            path: binding.path.iter().map(ToString::to_string).collect(),
            expires_in: seconds_until(binding.expires_at),
            user_agent: binding.user_agent.clone(),
        })
        .collect()
}

/// How each `[[user]]` can be reached.
pub fn users(agent: &Agent, users: &[Arc<User>]) -> Vec<UserRegistration> {
    users
        .iter()
        .map(|user| UserRegistration {
            user: user.name.clone(),
            contacts: contacts(&agent.bindings(&user.name)),
        })
        .collect()
}
