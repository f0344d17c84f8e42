// SPDX-License-Identifier: MPL-2.0
//! Who may call in: the trunks' allow-lists and credentials. Whoever matches none meets silence.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sip_ua::agent::{Screen, Verdict};
use sip_ua::digest::server::{Presented, Verifier};
use sip_ua::wire::{HeaderName, Method, Request};

use crate::config::Trunk;

const REALM: &str = "sipbridge";
/// A challenge must be answered within this time.
const NONCE_LIFETIME: Duration = Duration::from_secs(60);
/// Answered nonces that are remembered against replay.
const NONCES: usize = 10_000;

/// Judges requests outside a dialog.
pub struct Doorkeeper {
    trunks: Vec<Arc<Trunk>>,
    verifier: Mutex<Verifier>,
}

impl Doorkeeper {
    /// For these trunks.
    pub fn new(trunks: Vec<Arc<Trunk>>, now: Instant) -> Arc<Doorkeeper> {
        let verifier = Mutex::new(Verifier::new(REALM, now, NONCE_LIFETIME, NONCES));
        Arc::new(Doorkeeper { trunks, verifier })
    }

    /// As the user agent wants it.
    pub fn screen(self: &Arc<Self>) -> Screen {
        let this = self.clone();
        Arc::new(move |request, source| this.judge(request, source, Instant::now()))
    }

    fn judge(&self, request: &Request, source: SocketAddr, now: Instant) -> Verdict {
        if self.by_address(source).is_some() {
            return Verdict::Allow;
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

    /// The trunk of a request that was let in.
    pub fn trunk(&self, request: &Request, source: SocketAddr) -> Option<Arc<Trunk>> {
        self.by_address(source).or_else(|| {
            // It was let in by its credentials, so the user name in them is true.
            request
                .headers
                .get_all(HeaderName::Authorization)
                .find_map(|value| {
                    let (user, _) = after(value, b"username=\"")?.split_once('"')?;
                    self.by_username(user)
                })
        })
    }

    fn by_address(&self, source: SocketAddr) -> Option<Arc<Trunk>> {
        let address = source.ip().to_canonical();
        self.trunks
            .iter()
            .find(|trunk| trunk.allow.iter().any(|net| net.contains(&address)))
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

fn after<'a>(value: &'a [u8], start: &[u8]) -> Option<&'a str> {
    let at = value
        .windows(start.len())
        .position(|part| part.eq_ignore_ascii_case(start))?;
    std::str::from_utf8(value.get(at + start.len()..)?).ok()
}
