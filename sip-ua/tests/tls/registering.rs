// SPDX-License-Identifier: MPL-2.0

use sip_ua::agent::{Registration, RegistrationConfig, RegistrationState};

use super::*;

/// A registrar that lets in Alice, who has not to prove it.
async fn registrar(tls: Tls) -> (Agent, mpsc::Receiver<IncomingCall>) {
    let config = AgentConfig {
        listen: vec![Listen {
            transport: Transport::Tls,
            addr: "127.0.0.1:0".parse().unwrap(),
        }],
        screen: Arc::new(|_, _| Verdict::AllowUser("alice".to_owned())),
        registrar: Some(sip_ua::registrar::Config::default()),
        tls,
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap()
}

fn register(alice: &Agent, addr: SocketAddr) -> Registration {
    alice.register(RegistrationConfig {
        registrar: "sip:bob.example;transport=tls".parse().unwrap(),
        aor: "sip:alice@bob.example".parse().unwrap(),
        expires: Duration::from_secs(600),
        credentials: None,
        next_hop: Some(found("bob.example", addr)),
        route: Vec::new(),
    })
}

/// The first state after the beginning.
async fn settled(registration: &Registration) -> RegistrationState {
    let mut state = registration.watch();
    let settled = state.wait_for(|state| *state != RegistrationState::Registering);
    timeout(SOON, settled)
        .await
        .expect("in time")
        .unwrap()
        .clone()
}

#[tokio::test]
async fn calls_come_over_the_connection_that_was_registered_over() {
    let authority = Authority::new();
    let (bob, _) = registrar(load(authority.signs("bob.example"))).await;
    // Nobody could connect to her: she has no certificate.
    let (alice, mut calls) = agent(Transport::Udp, authority.believer()).await;
    let registration = register(&alice, bob.local_addr());
    let state = settled(&registration).await;
    assert!(
        matches!(state, RegistrationState::Registered { .. }),
        "{state:?}"
    );
    let binding = bob.bindings("alice").remove(0);
    let call = OutgoingCall {
        next_hops: vec![binding.hop],
        ..OutgoingCall::new(binding.contact, "sip:bob@bob.example".parse().unwrap())
    };
    let _call = bob.dial(call);
    assert_eq!(taken(&mut calls).await.transport, Transport::Tls);
    assert_eq!((alice.stats().connections, bob.stats().connections), (1, 1));
}

#[tokio::test]
async fn a_registrar_that_proves_nothing_is_told_nothing() {
    let authority = Authority::new();
    let (bob, _) = registrar(load(authority.signs("eve.example"))).await;
    let alice = alice(authority.believer()).await;
    let registration = register(&alice, bob.local_addr());
    let RegistrationState::Failed { status, reason, .. } = settled(&registration).await else {
        panic!("it registered")
    };
    assert_eq!(status, None);
    let said = "its certificate is that of eve.example, not of bob.example";
    assert!(reason.contains(said), "{reason}");
    assert!(bob.bindings("alice").is_empty());
}
