// SPDX-License-Identifier: MPL-2.0
//! Answering 401 and 407 (RFC 3261 §22.2–22.3, RFC 8760).

use super::challenge::AuthParams;
use super::{Challenge, Credentials, new_cnonce, respond};
use crate::wire::{HeaderName, Request, Response};

/// A proxy chain with a realm each is answered one by one; more tries than this are a loop.
const MAX_ATTEMPTS: u8 = 5;

/// RFC 7615 §4.
const PROXY_AUTHENTICATION_INFO: &str = "Proxy-Authentication-Info";

/// Credentials and the challenges they answer: a call's, or a registration's.
#[derive(Debug)]
pub(crate) struct Auth {
    credentials: Credentials,
    realms: Vec<Realm>,
}

#[derive(Debug)]
struct Realm {
    asked_by: HeaderName,
    challenges: Vec<Challenge>,
    /// Requests answered with this nonce.
    count: u32,
}

/// Why a challenge was not answered. Each is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("the far end refused the user name or password for realm \"{0}\"")]
    WrongPassword(String),
    #[error("the far end asks for credentials in a way that cannot be answered: {0}")]
    Unanswerable(String),
    #[error("the far end keeps asking for credentials")]
    TooManyAttempts,
}

impl Auth {
    pub(crate) fn new(credentials: Credentials) -> Auth {
        Auth {
            credentials,
            realms: Vec::new(),
        }
    }

    /// Takes in the challenges of a 401 or 407. `attempts` is how often this same request has been
    /// answered already.
    pub(crate) fn challenged(
        &mut self,
        response: &Response,
        attempts: u8,
    ) -> Result<(), AuthError> {
        if attempts >= MAX_ATTEMPTS {
            return Err(AuthError::TooManyAttempts);
        }
        let mut fresh: Vec<Realm> = Vec::new();
        let mut fault = None;
        for asked_by in [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate] {
            let values = response.headers.get_all(asked_by.clone());
            for value in values.flat_map(Challenge::split) {
                let challenge = match Challenge::parse(value) {
                    Ok(challenge) => challenge,
                    Err(error) => {
                        fault = Some(error.to_string());
                        continue;
                    }
                };
                match fresh
                    .iter_mut()
                    .find(|realm| realm.is(&asked_by, &challenge.realm))
                {
                    Some(realm) => realm.challenges.push(challenge),
                    None => fresh.push(Realm {
                        asked_by: asked_by.clone(),
                        challenges: vec![challenge],
                        count: 0,
                    }),
                }
            }
        }
        if fresh.is_empty() {
            let why = fault.unwrap_or_else(|| "it names no challenge".to_owned());
            return Err(AuthError::Unanswerable(why));
        }
        for realm in fresh {
            let name = realm.name().to_vec();
            let known = self
                .realms
                .iter()
                .position(|old| old.is(&realm.asked_by, &name));
            match known {
                Some(_) if attempts > 0 && !realm.challenges.iter().any(|c| c.stale) => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    return Err(AuthError::WrongPassword(name));
                }
                Some(at) => self.realms[at].renew(realm),
                None => self.realms.push(realm),
            }
        }
        Ok(())
    }

    /// Takes in the nonce that a 2xx names for the next request (RFC 7616 §3.5), so that this is not
    /// challenged again.
    pub(crate) fn accepted(&mut self, response: &Response) {
        for (says, asked_by) in [
            (HeaderName::AuthenticationInfo, HeaderName::WwwAuthenticate),
            (
                HeaderName::from(PROXY_AUTHENTICATION_INFO),
                HeaderName::ProxyAuthenticate,
            ),
        ] {
            let info = response.headers.get(says);
            let info = info.and_then(|value| AuthParams::parse_list(value).ok());
            let Some(next) = info.and_then(|info| info.get("nextnonce")) else {
                continue;
            };
            // It names no realm: of several nobody knows which is meant.
            let mut asked = self
                .realms
                .iter_mut()
                .filter(|realm| realm.asked_by == asked_by);
            if let (Some(realm), None) = (asked.next(), asked.next()) {
                realm.go_on_with(next);
            }
        }
    }

    /// Puts answers to all challenges known so far into a request, whose URI, method and body must
    /// not change any more.
    pub(crate) fn apply(&mut self, request: &mut Request) -> Result<(), AuthError> {
        request.headers.remove(HeaderName::Authorization);
        request.headers.remove(HeaderName::ProxyAuthorization);
        for realm in &mut self.realms {
            realm.count += 1;
            let value = respond(
                &realm.challenges,
                &self.credentials,
                &request.method,
                &request.uri.to_bytes(),
                &request.body,
                &new_cnonce(),
                realm.count,
            )
            .map_err(|error| AuthError::Unanswerable(error.to_string()))?;
            let name = match realm.asked_by {
                HeaderName::ProxyAuthenticate => HeaderName::ProxyAuthorization,
                _ => HeaderName::Authorization,
            };
            request.headers.push(name, value);
        }
        Ok(())
    }
}

impl Realm {
    /// Takes up what is asked now. A nonce that is given out again goes on being counted: its first
    /// count would be a replay.
    fn renew(&mut self, asked: Realm) {
        let known = |challenge: &Challenge| {
            let nonces = self.challenges.iter().map(|known| &known.nonce);
            nonces.into_iter().any(|nonce| *nonce == challenge.nonce)
        };
        let count = match asked.challenges.iter().any(known) {
            true => self.count,
            false => 0,
        };
        *self = Realm { count, ..asked };
    }

    /// The nonce for what follows. One that is known goes on being counted.
    fn go_on_with(&mut self, nonce: &[u8]) {
        if nonce.is_empty() || self.challenges.iter().all(|known| known.nonce == nonce) {
            return;
        }
        for challenge in &mut self.challenges {
            challenge.nonce = nonce.to_vec();
        }
        self.count = 0;
    }

    fn is(&self, asked_by: &HeaderName, name: &[u8]) -> bool {
        self.asked_by == *asked_by && self.name() == name
    }

    fn name(&self) -> &[u8] {
        self.challenges
            .first()
            .map(|challenge| challenge.realm.as_slice())
            .unwrap_or_default()
    }
}
