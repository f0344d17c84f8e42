// SPDX-License-Identifier: MPL-2.0
//! Who is a user: the part of a screen that asks them for their password.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::digest::Algorithm;
use crate::digest::server::{Presented, Verifier};
use crate::endpoint::Verdict;
use crate::guard::Failure;
use crate::wire::{HeaderName, Method, NameAddr, Request};

/// Finds the password of a user; `None` where there is no such user.
pub type Password = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A challenge must be answered within this time. A phone may answer it again and again until then.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// Answered nonces that are remembered against replay.
const NONCES: usize = 10_000;

/// Judges requests of users by digest (RFC 3261 §22.1). A request is a user's when the address that
/// it is about, To of a REGISTER and From of all others, has a known user's name as its user part.
pub struct UserScreen {
    password: Password,
    verifier: Mutex<Verifier>,
}

impl fmt::Debug for UserScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserScreen").finish_non_exhaustive()
    }
}

impl UserScreen {
    /// `algorithms`, strongest first, are offered, and no others accepted. Some phones give up when
    /// one that they do not know is offered beside one that they do.
    pub fn new(
        realm: &str,
        algorithms: Vec<Algorithm>,
        password: Password,
        now: Instant,
    ) -> UserScreen {
        let verifier = Verifier::new(realm, now, NONCE_LIFETIME, NONCES).offering(algorithms);
        UserScreen {
            password,
            verifier: Mutex::new(verifier),
        }
    }

    /// The user that a request claims to be of, if there is such a user.
    pub fn claimed(&self, request: &Request) -> Option<String> {
        let header = match request.method {
            Method::Register => HeaderName::To,
            _ => HeaderName::From,
        };
        let address = NameAddr::parse(request.headers.get(header)?).ok()?;
        let user = String::from_utf8(address.uri.user_decoded()?).ok()?;
        (self.password)(&user).is_some().then_some(user)
    }

    /// Judges a request that claims to be of a user; `None` where it does not.
    pub fn judge(&self, request: &Request, source: IpAddr, now: Instant) -> Option<Verdict> {
        let judged = self.examine(request, source, now)?;
        if let Some((Failure::Credentials, why)) = judged.failed {
            tracing::info!(%source, user = judged.claimed, why, "a user was not let in");
        }
        Some(judged.verdict)
    }

    /// The same, for whoever keeps an eye on those who fail. It writes no log.
    pub fn examine(&self, request: &Request, source: IpAddr, now: Instant) -> Option<Judged> {
        let claimed = self.claimed(request)?;
        let presented = Presented {
            source,
            method: &request.method,
            uri: &request.uri,
            body: &request.body,
        };
        let given = request.headers.get_all(HeaderName::Authorization);
        let mut verifier = self.verifier.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |user: &str| (self.password)(user);
        let (verdict, failed) = match verifier.verify(now, presented, given, known) {
            Ok(user) if user == claimed => (Verdict::AllowUser(user), None),
            Ok(user) => {
                let why = format!("user '{user}' wrote another's address");
                (Verdict::Refuse(403), Some((Failure::Credentials, why)))
            }
            Err(denied) => {
                let challenges = verifier.challenges(now, source, denied.is_stale());
                let failed = (denied.failure(), denied.to_string());
                (Verdict::Challenge(challenges), Some(failed))
            }
        };
        Some(Judged {
            claimed,
            verdict,
            failed,
        })
    }
}

/// What became of a request of a user.
#[derive(Debug)]
pub struct Judged {
    /// Whom it claims to be of.
    pub claimed: String,
    pub verdict: Verdict,
    /// What was wrong with it, and in words.
    pub failed: Option<(Failure, String)>,
}
