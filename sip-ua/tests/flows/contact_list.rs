// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §2.2: who is registered already registers another telephone.

use crate::ours::Peer;
use crate::registration::{KNOWN, registrar};

pub async fn sipp_registers_another_telephone() {
    let ours = registrar().await;
    let first = "Contact: <sip:alice@[local_ip]:[local_port]>";
    let other = "Contact: <sip:alice@192.0.2.77>";
    let sipp: Peer = ours.called_by(&format!(
        "> REGISTER | {first} | Expires: 300
         < 401
         > REGISTER | {first} | Expires: 300 | {KNOWN}
         < 200 Contact:.*alice@127
         > REGISTER | {other} | Expires: 300 | {KNOWN}
         < 200 alice@127 alice@192.0.2.77"
    ));
    let agent = ours.agent.clone();
    let mut bindings = agent.watch_bindings();
    let both = bindings.wait_for(|bound| bound.get("alice").is_some_and(|all| all.len() == 2));
    let both = tokio::time::timeout(crate::ours::LONG, both).await;
    both.expect("in time").expect("the agent is there");
    ours.finish([sipp]).await;
}
