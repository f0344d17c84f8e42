// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §2.1, §2.3 and §2.4: somebody registers with a password, asks who is bound, and goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::agent::{AgentConfig, RegistrationConfig, RegistrationState, Verdict};
use sip_ua::digest::{Algorithm, Credentials};
use sip_ua::registrar::{self, UserScreen};
use tokio::time::timeout;

use crate::ours::{LONG, Ours, Peer};

/// Ours is a registrar, and alice has the password `secret`.
pub async fn registrar() -> Ours {
    let password = |user: &str| (user == "alice").then(|| "secret".to_owned());
    let users = UserScreen::new(
        "here",
        vec![Algorithm::MD5],
        Arc::new(password),
        Instant::now(),
    );
    Ours::with(AgentConfig {
        screen: Arc::new(move |request, source| {
            let verdict = users.judge(request, source.ip(), Instant::now());
            verdict.unwrap_or(Verdict::Silent)
        }),
        registrar: Some(registrar::Config::default()),
        ..AgentConfig::default()
    })
    .await
}

/// Ours registers with sipp.
pub fn account(peer: &Peer) -> RegistrationConfig {
    RegistrationConfig {
        registrar: format!("sip:{}", peer.addr()).parse().unwrap(),
        aor: "<sip:alice@example.org>".parse().unwrap(),
        expires: Duration::from_secs(600),
        credentials: Some(Credentials::new("alice", "secret")),
        next_hop: None,
        route: Vec::new(),
    }
}

pub const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"there\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"";

pub const KNOWN: &str = "[authentication username=alice password=secret]";

pub async fn sipp_registers_asks_and_goes() {
    let ours = registrar().await;
    let sipp = ours.called_by(&format!(
        "> REGISTER | Contact: <sip:alice@[local_ip]:[local_port]> | Expires: 300
         < 401
         > REGISTER | Contact: <sip:alice@[local_ip]:[local_port]> | Expires: 300 | {KNOWN}
         < 200 Contact:.*alice@.*expires=
         > REGISTER | {KNOWN}
         < 200 Contact:.*alice@.*expires=
         > REGISTER | Contact: * | Expires: 0 | {KNOWN}
         < 200"
    ));
    let bindings = ours.agent.watch_bindings();
    ours.finish([sipp]).await;
    assert!(bindings.borrow().is_empty());
}

pub async fn we_register_and_go() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(&format!(
        "< REGISTER
         > 401 | {CHALLENGE}
         < REGISTER Authorization:.Digest.*username=.alice
         > 200 | [last_Contact:];expires=600
         < REGISTER (Expires:.0|expires=0)
         > 200"
    ));
    let registration = ours.agent.register(account(&sipp));
    let mut state = registration.watch();
    let registered = state.wait_for(|state| matches!(state, RegistrationState::Registered { .. }));
    timeout(LONG, registered)
        .await
        .expect("in time")
        .expect("the agent is there");
    timeout(LONG, registration.unregister())
        .await
        .expect("in time");
    ours.finish([sipp]).await;
}
