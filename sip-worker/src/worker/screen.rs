// SPDX-License-Identifier: MPL-2.0
//! Who may call in: the trunks' allow-lists and credentials, and the users. Whoever is neither meets
//! silence.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sip_ua::agent::{Bindings, IncomingCall, Screen, Verdict};
use sip_ua::digest::server::{Presented, Verifier};
use sip_ua::registrar::UserScreen;
use sip_ua::wire::{HeaderName, Method, Request};
use tokio::sync::watch;

use crate::config::{Config, Party, Trunk, User};

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
        let as_user = || {
            let screen = self.user_screen.as_ref()?;
            screen.judge(request, source.ip(), now)
        };
        // Only users register, and where a user was heard from, a trunk's address does not count.
        if (request.method == Method::Register || self.is_users(request, source))
            && let Some(verdict) = as_user()
        {
            return verdict;
        }
        if self.by_address(source).is_some() {
            return Verdict::Allow;
        }
        if let Some(verdict) = as_user() {
            return verdict;
        }
        // Nobody outside a dialog is challenged for anything but a call: a stranger who asks
        // whether somebody is here hears nothing.
        if request.method != Method::Invite || self.trunks.iter().all(|trunk| trunk.auth.is_none())
        {
            return Verdict::Silent;
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
            Ok(_) => Verdict::Allow,
            Err(denied) => {
                tracing::info!(%source, %denied, "a caller has no credentials that count");
                Verdict::Challenge(verifier.challenges(now, source.ip(), denied.is_stale()))
            }
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
