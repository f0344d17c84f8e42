// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §2.5: a password is wrong.

use sip_ua::agent::RegistrationState;
use tokio::time::timeout;

use crate::ours::{LONG, Ours, Peer};
use crate::registration::{CHALLENGE, account, registrar};

pub async fn sipp_guesses() {
    let ours = registrar().await;
    let sipp = ours.called_by(
        "> REGISTER | Contact: <sip:alice@[local_ip]:[local_port]>
         < 401
         > REGISTER | Contact: <sip:alice@[local_ip]:[local_port]> | [authentication username=alice password=guess]
         < 401",
    );
    let agent = ours.agent.clone();
    ours.finish([sipp]).await;
    assert!(agent.bindings("alice").is_empty());
}

pub async fn sipp_knows_better() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(&format!(
        "< REGISTER
         > 401 | {CHALLENGE}
         < REGISTER Authorization:.Digest.*username=.alice
         > 401 | {CHALLENGE}"
    ));
    let registration = ours.agent.register(account(&sipp));
    let mut state = registration.watch();
    let refused = state.wait_for(|state| matches!(state, RegistrationState::Failed { .. }));
    let state = timeout(LONG, refused)
        .await
        .expect("in time")
        .expect("the agent is there")
        .clone();
    let RegistrationState::Failed { status, .. } = state else {
        panic!("{state:?}");
    };
    assert_eq!(status, Some(401));
    drop(registration);
    ours.finish([sipp]).await;
}
