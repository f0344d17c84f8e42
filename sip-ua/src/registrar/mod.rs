// SPDX-License-Identifier: MPL-2.0
//! A registrar that keeps its bindings in memory (RFC 3261 §10.3), sans-IO.
//!
//! It binds the contacts of users whom the [screen](crate::endpoint::Screen) has authenticated
//! ([`Verdict::AllowUser`](crate::endpoint::Verdict::AllowUser)); nobody may bind an address to
//! another user than themselves. [`UserScreen`] is a screen's part that does the authentication.
//! It answers for all domains and knows users by the user part of their address alone.

mod bindings;
mod credentials;

use std::time::{Duration, Instant};

use crate::transport::Hop;
use crate::wire::{NameAddr, Uri};

pub(crate) use bindings::{Registered, Registrar};
pub use credentials::{Judged, Password, UserScreen};

/// What a registrar grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Shorter intervals are refused with 423.
    pub min_expires: Duration,
    /// Longer ones are shortened; whoever asks for none gets this.
    pub max_expires: Duration,
    /// Contacts of one user. One more takes the place of the one that was heard of least recently.
    pub max_contacts: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            max_contacts: 10,
        }
    }
}

/// Where a user can be reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The Request-URI of calls to it.
    pub contact: Uri,
    /// Where its REGISTER came from, which leads back through whatever translated its address.
    pub hop: Hop,
    /// The proxies to it, the nearest first (RFC 3327): the Route of calls to it.
    pub path: Vec<NameAddr>,
    pub expires_at: Instant,
    /// What it says it is, for people.
    pub user_agent: Option<String>,
}
