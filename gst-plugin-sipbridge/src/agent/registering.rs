// SPDX-License-Identifier: MPL-2.0
//! Being registered while elements listen for calls.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sip_ua::agent::{Agent, Registration, RegistrationConfig, RegistrationState};
use sip_ua::wire::Uri;

use super::runtime;
use super::settings::{AgentSettingsError, Settings};
use crate::call::NextHop;

/// What a `sip-registration` message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistrationNews {
    /// `registering`, `registered`, `failed` or `unregistered`.
    pub(crate) state: &'static str,
    /// The SIP status; 0 where there is none.
    pub(crate) code: u16,
    /// A sentence; empty where all is well.
    pub(crate) reason: String,
    /// Seconds that the binding was granted for.
    pub(crate) expires: u64,
}

/// Where the registrar was found: calls may come from there.
pub(super) type RegistrarAddress = Arc<Mutex<Option<IpAddr>>>;

/// What the properties say about registering; `None` where they name no registrar.
pub(super) fn config(
    settings: &Settings,
) -> Result<Option<RegistrationConfig>, AgentSettingsError> {
    let Some(text) = settings
        .registrar
        .as_deref()
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    let uri = match text.starts_with("sip:") {
        true => text.to_owned(),
        false => format!("sip:{text}"),
    };
    let registrar = Uri::parse(uri.as_bytes())
        .ok()
        .filter(|uri| uri.user.is_none() && uri.is_sip())
        .ok_or_else(|| AgentSettingsError::Registrar(text.to_owned()))?;
    if settings.username.is_none() {
        return Err(AgentSettingsError::NoUsername);
    }
    let route = match settings.next_hop()? {
        NextHop::Proxy(mut proxy) => {
            proxy.params.set_flag("lr");
            vec![proxy.into()]
        }
        _ => Vec::new(),
    };
    Ok(Some(RegistrationConfig {
        aor: settings.from(&registrar)?,
        registrar,
        expires: Duration::from_secs(settings.register_expires.into()),
        credentials: settings.credentials()?,
        next_hop: None,
        route,
    }))
}

/// Registers, and tells what becomes of it; the binding is taken back when the registration goes.
pub(super) fn begin(
    agent: &Agent,
    config: RegistrationConfig,
    address: RegistrarAddress,
    tell: impl Fn(RegistrationNews) + Send + 'static,
) -> Option<Arc<Registration>> {
    let runtime = runtime::handle().ok()?;
    let registration = Arc::new(agent.register(config));
    let (mut states, weak) = (registration.watch(), Arc::downgrade(&registration));
    drop(runtime.spawn(async move {
        tell(news(&RegistrationState::Registering));
        while states.changed().await.is_ok() {
            let state = states.borrow_and_update().clone();
            if let Some(hop) = weak.upgrade().and_then(|known| known.registrar_hop()) {
                let mut known = address.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some(hop.addr.ip().to_canonical());
            }
            tell(news(&state));
        }
    }));
    Some(registration)
}

fn news(state: &RegistrationState) -> RegistrationNews {
    let mut news = RegistrationNews {
        state: "registering",
        code: 0,
        reason: String::new(),
        expires: 0,
    };
    match state {
        RegistrationState::Registered { expires_at } => {
            let left = expires_at.saturating_duration_since(Instant::now());
            news.state = "registered";
            news.code = 200;
            // Rounded: it was granted a moment ago.
            news.expires = (left + Duration::from_millis(500)).as_secs();
        }
        RegistrationState::Failed { status, reason, .. } => {
            news.state = "failed";
            news.code = status.unwrap_or(0);
            news.reason.clone_from(reason);
        }
        RegistrationState::Unregistered => news.state = "unregistered",
        _ => {}
    }
    news
}
