// SPDX-License-Identifier: MPL-2.0
//! Alice registers.

use sip_ua::agent::{Registration, RegistrationConfig, RegistrationState};
use sip_ua::wire::NameAddr;

use super::*;

/// Somebody with whom all may register.
pub async fn registrar(listen: Vec<Listen>) -> (Agent, mpsc::Receiver<IncomingCall>) {
    let config = AgentConfig {
        listen,
        screen: Arc::new(|_, _| Verdict::AllowUser("alice".to_owned())),
        registrar: Some(sip_ua::registrar::Config::default()),
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap()
}

pub fn registering(alice: &Agent, registrar: String, route: Vec<NameAddr>) -> Registration {
    alice.register(RegistrationConfig {
        registrar: registrar.parse().unwrap(),
        aor: "sip:alice@example.org".parse().unwrap(),
        expires: 600 * SECOND,
        credentials: None,
        next_hop: None,
        route,
    })
}

pub async fn until_registered(registration: &Registration) {
    let mut state = registration.watch();
    let registered = |state: &RegistrationState| match state {
        RegistrationState::Registered { .. } => true,
        RegistrationState::Failed { .. } => panic!("{state:?}"),
        _ => false,
    };
    let state = timeout(SOON, state.wait_for(registered)).await;
    state.expect("in time").expect("an agent");
}
