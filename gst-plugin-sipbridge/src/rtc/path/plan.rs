// SPDX-License-Identifier: MPL-2.0
//! What a path is told.

use std::net::SocketAddr;

use crate::rtc::description::Credentials;

/// What is known of the far end.
#[derive(Debug, Clone)]
pub(crate) struct PathPlan {
    /// How the way is found.
    pub(crate) way: Way,
    /// The SHA-256 of its certificate.
    pub(crate) fingerprint: Vec<u8>,
    /// Whether we begin the handshake.
    pub(crate) active: bool,
}

/// How the way is found.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// By connectivity checks.
    Checked(Checks),
    /// From this address of ours to that of theirs, as descriptions say.
    Described {
        /// Ours.
        from: SocketAddr,
        /// Theirs.
        to: SocketAddr,
    },
}

/// How checks are made.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    /// Our side's credentials.
    pub(crate) local: Credentials,
    /// The far end's.
    pub(crate) remote: Credentials,
    /// We answer checks and make none.
    pub(crate) lite: bool,
    /// Whether we nominate (RFC 8445 section 6.1.1).
    pub(crate) controlling: bool,
}
