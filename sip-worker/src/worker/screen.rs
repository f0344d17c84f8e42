// SPDX-License-Identifier: MPL-2.0
//! Who may call in: the trunks' allow-lists and credentials, and the users. Whoever is neither meets
//! silence.

mod watchman;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sip_ua::agent::{Bindings, IncomingCall, Screen, Verdict};
use sip_ua::digest::server::{Presented, Verifier};
use sip_ua::guard::{Failure, Source};
use sip_ua::registrar::UserScreen;
use sip_ua::wire::{HeaderName, Method, Request};
use tokio::sync::watch;

use crate::config::{Config, Party, Strangers, Trunk, User};
pub use watchman::Watchman;

const REALM: &str = "sipbridge";
/// A challenge must be answered within this time.
const NONCE_LIFETIME: Duration = Duration::from_secs(60);
/// Answered nonces that are remembered against replay.
const NONCES: usize = 10_000;

/// Judges requests outside a dialog.
pub struct Doorkeeper {
    trunks: Vec<Arc<Trunk>>,
    verifier: Mutex<Verifier>,
    users: HashMap<String, Arc<User>>,
    user_screen: Option<UserScreen>,
    /// Where users are registered from.
    bindings: OnceLock<watch::Receiver<Bindings>>,
    phones: Mutex<Phones>,
    /// Who fails, and how often.
    pub watchman: Watchman,
    strangers: Strangers,
    /// Whether trunks and registered phones can be banned, too.
    ban_known: bool,
    /// Where trunks were found that we are registered with, by their names.
    registered: RwLock<HashMap<String, IpAddr>>,
}

impl Doorkeeper {
    /// For the trunks and users of this configuration.
    pub fn new(config: &Config, now: Instant) -> Arc<Doorkeeper> {
        let users: HashMap<String, Arc<User>> = config
            .users
            .iter()
            .map(|user| (user.name.clone(), user.clone()))
            .collect();
        let user_screen = (!users.is_empty()).then(|| {
            let known = users.clone();
            let password = move |name: &str| {
                let user = known.get(name)?;
                Some(user.password.expose_secret().to_owned())
            };
            let registrar = &config.registrar;
            let algorithms = registrar.algorithms.clone();
            UserScreen::new(&registrar.realm, algorithms, Arc::new(password), now)
        });
        Arc::new(Doorkeeper {
            trunks: config.trunks.clone(),
            verifier: Mutex::new(Verifier::new(REALM, now, NONCE_LIFETIME, NONCES)),
            users,
            user_screen,
            bindings: OnceLock::new(),
            phones: Mutex::default(),
            watchman: Watchman::new(config.guard.bounds),
            strangers: config.guard.strangers,
            ban_known: config.guard.ban_known,
            registered: RwLock::default(),
        })
    }

    /// As the user agent wants it.
    pub fn screen(self: &Arc<Self>) -> Screen {
        let this = self.clone();
        Arc::new(move |request, source| this.judge(request, source, Instant::now()))
    }

    /// Follows where users are registered from.
    pub fn watch(&self, bindings: watch::Receiver<Bindings>) {
        // Set once, by the worker that made this.
        let _ = self.bindings.set(bindings);
    }

    /// We are registered with this trunk at this address, or not any more: it may call us from there.
    pub fn registered(&self, trunk: &str, at: Option<IpAddr>) {
        let mut registered = self
            .registered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(address) => registered.insert(trunk.to_owned(), address.to_canonical()),
            None => registered.remove(trunk),
        };
    }

    fn judge(&self, request: &Request, source: SocketAddr, now: Instant) -> Verdict {
        // Over UDP anybody can write a trunk's or a phone's address: what comes from there is answered
        // by what it is, and does not count.
        let guarded = self.ban_known || !self.is_known(source);
        if guarded && !self.watchman.admits(now, source.ip()) {
            return Verdict::Silent;
        }
        let Found { verdict, failed } = self.find(request, source, now);
        match failed {
            Some((failure, why)) => {
                self.watchman
                    .failed(now, source.ip(), failure, &why, guarded);
            }
            None if guarded => self.watchman.succeeded(now, source.ip()),
            None => {}
        }
        match (verdict, self.strangers) {
            (Verdict::Silent, Strangers::Refused) => Verdict::Refuse(403),
            (verdict, _) => verdict,
        }
    }

    /// Whether this is the address of a trunk, or of a phone that is registered.
    fn is_known(&self, source: SocketAddr) -> bool {
        if self.by_address(source).is_some() {
            return true;
        }
        let Some(bindings) = self.bindings.get() else {
            return false;
        };
        let mut phones = self.phones.lock().unwrap_or_else(PoisonError::into_inner);
        phones.follow(bindings);
        phones.sources.contains(&Source::of(source.ip()))
    }

    /// Who it is, whatever they did before.
    fn find(&self, request: &Request, source: SocketAddr, now: Instant) -> Found {
        let as_user = || {
            let screen = self.user_screen.as_ref()?;
            let judged = screen.examine(request, source.ip(), now)?;
            Some(Found {
                verdict: judged.verdict,
                failed: judged
                    .failed
                    .map(|(failure, why)| (failure, format!("user '{}': {why}", judged.claimed))),
            })
        };
        // Only users register, and where a user was heard from, a trunk's address does not count.
        if (request.method == Method::Register || self.is_users(request, source))
            && let Some(found) = as_user()
        {
            return found;
        }
        if self.by_address(source).is_some() {
            return Found::from(Verdict::Allow);
        }
        if let Some(found) = as_user() {
            return found;
        }
        // Nobody outside a dialog is challenged for anything but a call: a stranger who asks
        // whether somebody is here hears nothing.
        if request.method != Method::Invite || self.trunks.iter().all(|trunk| trunk.auth.is_none())
        {
            let why = "it is neither a trunk nor a user".to_owned();
            return Found {
                verdict: Verdict::Silent,
                failed: Some((Failure::Stranger, why)),
            };
        }
        let presented = Presented {
            source: source.ip(),
            method: &request.method,
            uri: &request.uri,
            body: &request.body,
        };
        let password = |username: &str| {
            let trunk = self.by_username(username)?;
            trunk
                .auth
                .as_ref()
                .map(|auth| auth.password.expose_secret().to_owned())
        };
        let mut verifier = self.verifier.lock().unwrap_or_else(PoisonError::into_inner);
        let given = request.headers.get_all(HeaderName::Authorization);
        match verifier.verify(now, presented, given, password) {
            Ok(_) => Found::from(Verdict::Allow),
            Err(denied) => Found {
                verdict: Verdict::Challenge(verifier.challenges(
                    now,
                    source.ip(),
                    denied.is_stale(),
                )),
                failed: Some((denied.failure(), denied.to_string())),
            },
        }
    }

    /// Whether a request is from a phone that registered, or carries a user's credentials.
    fn is_users(&self, request: &Request, source: SocketAddr) -> bool {
        let Some(user) = self
            .user_screen
            .as_ref()
            .and_then(|screen| screen.claimed(request))
        else {
            return false;
        };
        let bound = self.bindings.get().is_some_and(|bindings| {
            let bindings = bindings.borrow();
            let phones = bindings.get(&user).map(Vec::as_slice).unwrap_or_default();
            phones.iter().any(|phone| phone.hop.addr == source)
        });
        bound || credentials_of(request).is_some_and(|name| name == user)
    }

    /// Whom a call is with that was let in.
    pub fn party(&self, incoming: &IncomingCall) -> Option<Party> {
        if let Some(name) = &incoming.user {
            return self.users.get(name).cloned().map(Party::User);
        }
        let trunk = self.by_address(incoming.source).or_else(|| {
            // It was let in by its credentials, so the user name in them is true.
            self.by_username(credentials_of(&incoming.request)?)
        });
        trunk.map(Party::Trunk)
    }

    fn by_address(&self, source: SocketAddr) -> Option<Arc<Trunk>> {
        let address = source.ip().to_canonical();
        let allowed = |trunk: &&Arc<Trunk>| trunk.allow.iter().any(|net| net.contains(&address));
        let registered = self
            .registered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let registrar = |trunk: &&Arc<Trunk>| registered.get(&trunk.name) == Some(&address);
        let found = self.trunks.iter().find(allowed);
        found
            .or_else(|| self.trunks.iter().find(registrar))
            .cloned()
    }

    fn by_username(&self, username: &str) -> Option<Arc<Trunk>> {
        let named = |trunk: &&Arc<Trunk>| {
            trunk
                .auth
                .as_ref()
                .is_some_and(|auth| auth.username == username)
        };
        self.trunks.iter().find(named).cloned()
    }
}

/// What became of a request, and what was wrong with it.
struct Found {
    verdict: Verdict,
    failed: Option<(Failure, String)>,
}

impl From<Verdict> for Found {
    fn from(verdict: Verdict) -> Found {
        Found {
            verdict,
            failed: None,
        }
    }
}

/// Where registered phones are, put together anew when that has changed.
#[derive(Default)]
struct Phones {
    seen: Option<watch::Receiver<Bindings>>,
    sources: HashSet<Source>,
}

impl Phones {
    fn follow(&mut self, bindings: &watch::Receiver<Bindings>) {
        let seen = self.seen.get_or_insert_with(|| {
            let mut fresh = bindings.clone();
            fresh.mark_changed();
            fresh
        });
        if !seen.has_changed().unwrap_or(false) {
            return;
        }
        let bindings = seen.borrow_and_update();
        let phones = bindings.values().flatten();
        self.sources = phones
            .map(|phone| Source::of(phone.hop.addr.ip()))
            .collect();
    }
}

/// The user name that a request's credentials are of.
fn credentials_of(request: &Request) -> Option<&str> {
    request
        .headers
        .get_all(HeaderName::Authorization)
        .find_map(|value| Some(after(value, b"username=\"")?.split_once('"')?.0))
}

fn after<'a>(value: &'a [u8], start: &[u8]) -> Option<&'a str> {
    let at = value
        .windows(start.len())
        .position(|part| part.eq_ignore_ascii_case(start))?;
    std::str::from_utf8(value.get(at + start.len()..)?).ok()
}

#[cfg(test)]
mod tests;
