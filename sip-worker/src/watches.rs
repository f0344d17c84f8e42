// SPDX-License-Identifier: MPL-2.0
//! Trunks that are watched: whether their servers answer.

use std::sync::Arc;

use secrecy::ExposeSecret;
use serde::Serialize;
use sip_ua::agent::{Agent, ServerState, Watch, WatchConfig, WatchState};
use sip_ua::digest::Credentials;
use sip_ua::wire::NameAddr;

use crate::calls;
use crate::config::Trunk;

/// How a trunk that is watched stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrunkWatch {
    /// `[[trunk]] name`
    pub trunk: String,
    /// `up` as soon as one of its servers is, `down`, or `unknown`.
    pub state: &'static str,
    /// One sentence: why its servers could not be looked up. Those known before are still asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Its servers, best first.
    pub servers: Vec<ServerWatch>,
}

/// How one of its servers stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerWatch {
    /// `udp:192.0.2.1:5060`
    pub server: String,
    /// `up`, `down` or `unknown`.
    pub state: &'static str,
    /// The SIP status that it answered with last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// One sentence: why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The watches of all trunks. They end when this is dropped.
#[derive(Debug, Default)]
pub struct Watches {
    trunks: Vec<(Arc<Trunk>, Watch)>,
}

impl Watches {
    /// Begins to watch every trunk that says so.
    pub fn begin(agent: &Agent, trunks: &[Arc<Trunk>]) -> Watches {
        let watch = |trunk: &Arc<Trunk>| {
            let config = config(trunk)?;
            Some((trunk.clone(), agent.watch(config)))
        };
        Watches {
            trunks: trunks.iter().filter_map(watch).collect(),
        }
    }

    /// Each trunk that is watched.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<Trunk>, &Watch)> {
        self.trunks.iter().map(|(trunk, watch)| (trunk, watch))
    }

    /// How they stand.
    pub fn list(&self) -> Vec<TrunkWatch> {
        let trunks = self.trunks.iter();
        trunks
            .map(|(trunk, watch)| TrunkWatch::of(trunk, &watch.state()))
            .collect()
    }
}

impl TrunkWatch {
    pub(crate) fn of(trunk: &Trunk, state: &WatchState) -> TrunkWatch {
        let servers = state.servers.iter();
        TrunkWatch {
            trunk: trunk.name.clone(),
            state: match state.is_up() {
                Some(true) => "up",
                Some(false) => "down",
                None => "unknown",
            },
            why: state.lost.clone(),
            servers: servers
                .map(|server| ServerWatch::of(server.hop.to_string(), &server.state))
                .collect(),
        }
    }
}

impl ServerWatch {
    fn of(server: String, state: &ServerState) -> ServerWatch {
        let (state, code, why) = match state {
            ServerState::Unknown => ("unknown", None, None),
            ServerState::Up { status } => ("up", Some(*status), None),
            ServerState::Down { status, why } => ("down", *status, Some(why.clone())),
        };
        ServerWatch {
            server,
            state,
            code,
            why,
        }
    }
}

fn config(trunk: &Trunk) -> Option<WatchConfig> {
    let (every, uri) = (trunk.watch?, trunk.uri.clone()?);
    let from = match calls::caller(trunk) {
        Ok(from) => from,
        Err(problem) => {
            tracing::warn!(
                trunk = trunk.name,
                why = problem.error,
                "the trunk is not watched"
            );
            return None;
        }
    };
    // A loose router, as calls out have it.
    let route = trunk.outbound_proxy.clone().map(|mut proxy| {
        proxy.params.set_flag("lr");
        NameAddr::from(proxy)
    });
    let credentials = trunk.username.as_ref().zip(trunk.password.as_ref());
    Some(WatchConfig {
        uri,
        from,
        route: route.into_iter().collect(),
        credentials: credentials
            .map(|(username, password)| Credentials::new(username, password.expose_secret())),
        every,
    })
}
