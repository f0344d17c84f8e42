// SPDX-License-Identifier: MPL-2.0
//! Staying registered with a registrar (RFC 3261 §10.2), sans-IO.
//!
//! A registration is a machine that is told what came of its requests and says what to do next. It
//! refreshes its binding before that expires, answers challenges, obeys `423 Interval Too Brief`
//! and `Retry-After`, tries again after failures with growing pauses, and takes its binding back
//! when it is stopped.

mod answer;
mod machine;
mod schedule;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::digest::Credentials;
use crate::wire::{NameAddr, Uri};

pub(crate) use machine::{Registration, Step, Then};

/// A registration of this process. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistrationId(u64);

impl RegistrationId {
    pub fn unique() -> RegistrationId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        RegistrationId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What to register, and where.
#[derive(Debug, Clone)]
pub struct Account {
    /// The domain to register with: the Request-URI, whose user part is left out (§10.2).
    pub registrar: Uri,
    /// Who registers: To and From. Its user part is that of the Contact too.
    pub aor: NameAddr,
    /// For how long to ask. What the registrar grants counts.
    pub expires: Duration,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
    /// Proxies to pass, in order.
    pub route: Vec<NameAddr>,
}

/// How a registration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationState {
    /// The first answer is being waited for, or the first after a failure.
    Registering,
    /// The registrar holds our binding. It is refreshed in time.
    Registered { expires_at: Instant },
    /// It was refused, or nobody answered; it is tried again.
    Failed {
        /// The final response; `None` where there was none.
        status: Option<u16>,
        /// A sentence for people.
        reason: String,
        retry_at: Instant,
    },
    /// It was stopped. Nothing follows.
    Unregistered,
}
