// SPDX-License-Identifier: MPL-2.0
//! What becomes of registrations and of trunks that are watched, for the log, the event stream, the screen and
//! the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use sip_ua::agent::{RegistrationState, ServerState, WatchState};
use tokio::sync::watch;

use super::Worker;
use crate::calls::table::Event;
use crate::config::Trunk;
use crate::exposition::Exposition;
use crate::watches::TrunkWatch;

/// Adds all of them to the metrics.
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
    let name = "sipbridge_trunk_up";
    out.metric(
        name,
        "gauge",
        "1 while a server of the trunk answers our OPTIONS, 0 while none does. Only trunks that are watched are told of, once that is known.",
    );
    for (trunk, watch) in worker.watches.iter() {
        if let Some(up) = watch.state().is_up() {
            out.sample(name, &[("trunk", &trunk.name)], u8::from(up));
        }
    }
    let name = "sipbridge_trunk_server_up";
    out.metric(
        name,
        "gauge",
        "0 while others are tried before this server of the trunk, because it failed. Servers are those that its name led to last, best first.",
    );
    for trunk in &worker.config.trunks {
        let Some(uri) = trunk.outbound_proxy.as_ref().or(trunk.uri.as_ref()) else {
            continue;
        };
        for server in worker.agent.servers(uri) {
            let labels = [
                ("trunk", trunk.name.as_str()),
                ("server", &server.hop.to_string()),
            ];
            out.sample(name, &labels, u8::from(server.down.is_none()));
        }
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
    for (trunk, registration) in worker.registrations.iter() {
        tokio::spawn(follow_trunk(
            worker.clone(),
            trunk.clone(),
            registration.watch(),
        ));
    }
    for (trunk, watch) in worker.watches.iter() {
        tokio::spawn(follow_watch(worker.clone(), trunk.clone(), watch.follow()));
    }
    tokio::spawn(follow_users(worker.clone()));
}

async fn follow_watch(
    worker: Arc<Worker>,
    trunk: Arc<Trunk>,
    mut news: watch::Receiver<WatchState>,
) {
    let mut last = WatchState::default();
    // An error means that the agent is gone.
    while news.changed().await.is_ok() {
        let state = news.borrow_and_update().clone();
        tell_servers(&trunk, &last, &state);
        if let Some(why) = state.lost.as_ref().filter(|_| last.lost.is_none()) {
            tracing::warn!(trunk = trunk.name, why, "the trunk's servers are not found");
        }
        let shown = TrunkWatch::of(&trunk, &state);
        // Another way to say that it is there is no news for people.
        if is_down(&state) != is_down(&last) || state.lost.is_some() != last.lost.is_some() {
            worker.calls.tell(Event::Trunk { trunk: shown });
        }
        last = state;
    }
}

fn is_down(state: &WatchState) -> Vec<Option<bool>> {
    let down = |state: &ServerState| match state {
        ServerState::Unknown => None,
        ServerState::Up { .. } => Some(false),
        ServerState::Down { .. } => Some(true),
    };
    let servers = state.servers.iter();
    servers.map(|server| down(&server.state)).collect()
}

/// Tells the log which servers fell or rose.
fn tell_servers(trunk: &Trunk, last: &WatchState, now: &WatchState) {
    for server in &now.servers {
        let mut known = last.servers.iter();
        let before = known.find(|known| known.hop == server.hop);
        let before = before.map_or(&ServerState::Unknown, |known| &known.state);
        let name = server.hop.to_string();
        match (before, &server.state) {
            (ServerState::Down { .. }, ServerState::Down { .. }) => {}
            (_, ServerState::Down { status, why }) => {
                tracing::warn!(
                    trunk = trunk.name,
                    server = name,
                    code = status,
                    why,
                    "a server of the trunk is down"
                );
            }
            (ServerState::Up { .. }, ServerState::Up { .. }) => {}
            (_, ServerState::Up { status }) => {
                tracing::info!(
                    trunk = trunk.name,
                    server = name,
                    code = status,
                    "a server of the trunk is up"
                );
            }
            (_, ServerState::Unknown) => {}
        }
    }
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
