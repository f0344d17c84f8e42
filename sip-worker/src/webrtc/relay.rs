// SPDX-License-Identifier: MPL-2.0
//! The TURN server of connections of ours.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

/// A TURN server, by its URL with user and password: `turn://user:password@host:port?transport=udp`.
#[derive(Clone)]
pub struct Relay {
    url: Arc<dyn Fn() -> Option<SecretString> + Send + Sync>,
    only: bool,
}

impl Relay {
    /// The server of this URL, which is asked for at each connection: credentials expire. `only`: media have no
    /// other way.
    pub fn new(
        only: bool,
        url: impl Fn() -> Option<SecretString> + Send + Sync + 'static,
    ) -> Relay {
        Relay {
            url: Arc::new(url),
            only,
        }
    }

    /// The server of this URL, and no other way.
    pub fn only(url: SecretString) -> Relay {
        Relay::new(true, move || Some(url.clone()))
    }

    pub(super) fn url(&self) -> Option<SecretString> {
        (self.url)()
    }

    pub(super) fn is_only_way(&self) -> bool {
        self.only
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Relay");
        shown.field("only", &self.only).finish_non_exhaustive()
    }
}
