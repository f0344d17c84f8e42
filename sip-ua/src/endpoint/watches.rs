// SPDX-License-Identifier: MPL-2.0
//! Servers that are watched: OPTIONS outside of any dialog, and what their answers say of them.

use std::time::{Duration, Instant};

use super::outgoing::outside_of_dialogs;
use super::responses::retry_after;
use super::send::{ClientKind, ClientUse};
use super::{Endpoint, Event};
use crate::digest::Auth;
use crate::transaction::{ClientId, Path};
use crate::watch::{ServerState, WatchConfig, WatchId, WatchState, WatchedServer};
use crate::wire::{CSeq, HeaderName, Method, Request, Response, Scheme};

/// How long a server may say nothing at all: nobody waits for it, and its third repetition would be next.
const PATIENCE: Duration = Duration::from_millis(3_400);

/// Whoever was silent is down for as long as it takes to ask again, and a bit.
const SLACK: Duration = Duration::from_secs(10);

pub(super) struct Watch {
    config: WatchConfig,
    /// Best first.
    servers: Vec<Asked>,
    lost: Option<String>,
    /// When the next round begins; none while its servers are looked up.
    ask_at: Option<Instant>,
    /// What was told last.
    told: WatchState,
}

struct Asked {
    path: Path,
    auth: Option<Auth>,
    /// The request under way.
    client: Option<ClientId>,
    /// When its silence counts.
    silent_at: Option<Instant>,
    state: ServerState,
}

impl Asked {
    fn is_at(&self, path: Path) -> bool {
        (self.path.transport, self.path.remote) == (path.transport, path.remote)
    }

    fn heard(&mut self, state: ServerState) {
        (self.client, self.silent_at) = (None, None);
        self.state = state;
    }
}

impl Watch {
    fn state(&self) -> WatchState {
        let shown = |asked: &Asked| WatchedServer {
            hop: asked.path.hop(),
            state: asked.state.clone(),
        };
        WatchState {
            servers: self.servers.iter().map(shown).collect(),
            lost: self.lost.clone(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let silent = self.servers.iter().filter_map(|asked| asked.silent_at);
        silent.chain(self.ask_at).min()
    }
}

impl Endpoint {
    /// Begins to watch the servers of a URI, until [`unwatch`](Self::unwatch). An
    /// [`Event::LocateWatched`] comes first, and again before each round.
    pub fn watch(&mut self, now: Instant, id: WatchId, config: WatchConfig) {
        let watch = Watch {
            config,
            servers: Vec::new(),
            lost: None,
            ask_at: None,
            told: WatchState::default(),
        };
        self.watches.insert(id, watch);
        self.events.push_back(Event::LocateWatched { id });
        self.settle(now);
    }

    pub fn unwatch(&mut self, id: WatchId) {
        let watch = self.watches.remove(&id);
        for asked in watch.into_iter().flat_map(|watch| watch.servers) {
            if let Some(client) = asked.client {
                self.table.abandon(client);
            }
        }
    }

    /// All that have not ended.
    pub fn watch_ids(&self) -> Vec<WatchId> {
        self.watches.keys().copied().collect()
    }

    /// The ways to the servers of a watch, best first, or why there are none: then those that were known
    /// before are asked.
    pub fn watched_located(
        &mut self,
        now: Instant,
        id: WatchId,
        found: Result<impl Into<Vec<Path>>, String>,
    ) {
        let Some(every) = self.watches.get(&id).map(|watch| watch.config.every) else {
            return;
        };
        // Workers that begin at once do not go on asking at once.
        let next = now + self.random_between(every - every / 10, every);
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        watch.ask_at = Some(next);
        match found {
            Ok(ways) => {
                watch.lost = None;
                let mut before = std::mem::take(&mut watch.servers);
                let mut ways: Vec<Path> = ways.into();
                // As calls have it: what is secure is not taken elsewhere.
                let secure = ways.first().is_some_and(|way| way.transport.is_secure());
                ways.retain(|way| !secure || way.transport.is_secure());
                for path in ways {
                    let known = before.iter().position(|asked| asked.is_at(path));
                    let known = known.map(|at| before.swap_remove(at));
                    let credentials = || watch.config.credentials.clone();
                    watch.servers.push(Asked {
                        path,
                        ..known.unwrap_or_else(|| Asked {
                            path,
                            auth: credentials().map(Auth::new),
                            client: None,
                            silent_at: None,
                            state: ServerState::Unknown,
                        })
                    });
                }
                for client in before.into_iter().filter_map(|asked| asked.client) {
                    self.table.abandon(client);
                }
            }
            Err(why) => watch.lost = Some(why),
        }
        let watch = self.watches.get(&id);
        let paths = watch.into_iter().flat_map(|watch| &watch.servers);
        let idle = paths.filter(|asked| asked.client.is_none());
        let idle: Vec<Path> = idle.map(|asked| asked.path).collect();
        for path in idle {
            // Who asked to be left alone is (RFC 3261 §21.5.4).
            if self.down.rest_left(now, path.hop()).is_none() {
                self.ask_server(now, id, path);
            }
        }
        self.tell_watch(id);
        self.settle(now);
    }

    fn ask_server(&mut self, now: Instant, id: WatchId, path: Path) {
        let Some(config) = self.watches.get(&id).map(|watch| watch.config.clone()) else {
            return;
        };
        let request = self.options(path, &config);
        self.launch_options(now, id, path, request, 0);
    }

    /// OPTIONS but for its Via and credentials.
    fn options(&mut self, path: Path, config: &WatchConfig) -> Request {
        let mut from = config.from.clone();
        from.set_tag(self.token(12).as_bytes());
        let sips = config.uri.scheme == Scheme::Sips;
        let contact = self.contact(config.from.uri.user_decoded().as_deref(), path, sips);
        let call_id = self.new_sip_call_id();
        let cseq = CSeq {
            number: 1,
            method: Method::Options,
        };
        let mut request = outside_of_dialogs(&from, &config.uri, &config.route, &call_id, cseq);
        let headers = &mut request.headers;
        headers.push(HeaderName::Contact, &contact);
        headers.push(HeaderName::Accept, "application/sdp");
        headers.push(HeaderName::UserAgent, self.config.user_agent.as_str());
        request
    }

    /// Sends OPTIONS, which has no Via yet.
    pub(super) fn launch_options(
        &mut self,
        now: Instant,
        id: WatchId,
        path: Path,
        mut request: Request,
        attempts: u8,
    ) {
        let auth = self.asked(id, path).and_then(|asked| asked.auth.as_mut());
        if let Some(Err(error)) = auth.map(|auth| auth.apply(&mut request)) {
            tracing::debug!(%error, to = %path.hop(), "OPTIONS goes without credentials");
        }
        let user = ClientUse {
            attempts,
            ..ClientUse::new(None, ClientKind::Watch(id), path, request)
        };
        let client = self.launch(now, user);
        if let Some(asked) = self.asked(id, path) {
            asked.client = Some(client);
            asked.silent_at = Some(now + PATIENCE);
        }
    }

    fn asked(&mut self, id: WatchId, path: Path) -> Option<&mut Asked> {
        let watch = self.watches.get_mut(&id)?;
        watch.servers.iter_mut().find(|asked| asked.is_at(path))
    }

    /// A server that is watched says something.
    pub(super) fn handle_watched(
        &mut self,
        now: Instant,
        id: WatchId,
        client: ClientId,
        response: &Response,
    ) {
        let Some(user) = self.table.client(client) else {
            return;
        };
        let (path, attempts) = (user.path, user.attempts);
        let mut request = user.request.clone();
        let Some(asked) = self.asked(id, path) else {
            return;
        };
        asked.silent_at = None;
        let status = response.status;
        if status < 200 {
            return;
        }
        let auth = asked.auth.as_mut();
        match (status, auth) {
            (401 | 407, Some(auth)) => match auth.challenged(response, attempts) {
                Ok(()) => {
                    request.headers.remove_top_via();
                    let cseq = CSeq {
                        number: u32::from(attempts) + 2,
                        method: Method::Options,
                    };
                    request.headers.set(HeaderName::CSeq, &cseq);
                    self.launch_options(now, id, path, request, attempts + 1);
                    return self.settle(now);
                }
                // Who refuses our password is there.
                Err(error) => {
                    tracing::debug!(%error, server = %path.hop(), "OPTIONS is not answered for");
                }
            },
            (200..300, Some(auth)) => auth.accepted(response),
            _ => {}
        }
        if status == 408 || status == 503 {
            let why = format!("{} answered our OPTIONS with {status}", path.remote);
            let rest = retry_after(&response.headers).filter(|_| status == 503);
            return self.server_is_away(now, id, path, Some(status), rest, why);
        }
        if let Some(asked) = self.asked(id, path) {
            asked.heard(ServerState::Up { status });
        }
        self.down.answered(path.hop());
        self.tell_watch(id);
        self.settle(now);
    }

    /// A server that is watched could not be asked, or never answered. `reason` names it.
    pub(super) fn watched_is_silent(
        &mut self,
        now: Instant,
        id: WatchId,
        path: Path,
        reason: String,
    ) {
        self.server_is_away(now, id, path, None, None, reason);
    }

    fn server_is_away(
        &mut self,
        now: Instant,
        id: WatchId,
        path: Path,
        status: Option<u16>,
        rest: Option<Duration>,
        why: String,
    ) {
        let Some(every) = self.watches.get(&id).map(|watch| watch.config.every) else {
            return;
        };
        match rest {
            Some(rest) => self.down.rests(now, path.hop(), rest, &why),
            None => {
                let until_asked = every + PATIENCE + SLACK;
                self.down.failed_for(now, path.hop(), until_asked, &why);
            }
        }
        if let Some(asked) = self.asked(id, path) {
            asked.heard(ServerState::Down { status, why });
        }
        self.tell_watch(id);
        self.settle(now);
    }

    fn tell_watch(&mut self, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        let state = watch.state();
        if watch.told != state {
            watch.told = state.clone();
            self.events.push_back(Event::Watched { id, state });
        }
    }

    pub(super) fn next_watch(&self) -> Option<Instant> {
        self.watches.values().filter_map(Watch::poll_timeout).min()
    }

    pub(super) fn run_watches(&mut self, now: Instant) {
        let due = |watch: &Watch| watch.poll_timeout().is_some_and(|at| at <= now);
        let due: Vec<WatchId> = self
            .watches
            .iter()
            .filter(|(_, watch)| due(watch))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.run_watch(now, id);
        }
        self.settle(now);
    }

    fn run_watch(&mut self, now: Instant, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        if watch.ask_at.is_some_and(|at| at <= now) {
            watch.ask_at = None;
            self.events.push_back(Event::LocateWatched { id });
        }
        let mut silent = Vec::new();
        for asked in &mut watch.servers {
            if asked.silent_at.is_some_and(|at| at <= now) {
                asked.silent_at = None;
                silent.push((asked.path, asked.client.take()));
            }
        }
        for (path, client) in silent {
            let abandoned = client.and_then(|client| self.table.abandon(client));
            if let Some(user) = abandoned.filter(|user| user.detour) {
                // Perhaps only TCP leads nowhere.
                self.without_tcp(now, user);
                continue;
            }
            let why = format!("{} does not answer our OPTIONS", path.remote);
            self.watched_is_silent(now, id, path, why);
        }
    }

    /// Whether a server that is watched is reached at this address.
    pub(super) fn watches_at(&self, path: impl Fn(Path) -> bool) -> bool {
        let servers = self.watches.values().flat_map(|watch| &watch.servers);
        servers.into_iter().any(|asked| path(asked.path))
    }
}
