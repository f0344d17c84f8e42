// SPDX-License-Identifier: MPL-2.0
//! Digest authentication (RFC 7616, RFC 8760 for SIP; RFC 2617 for peers that know only that).
//!
//! [`respond`] is the client: it answers the strongest challenge it understands. [`server`]
//! challenges and verifies without keeping state for strangers.

mod challenge;
mod client;
mod hash;
mod respond;
pub mod server;

pub use challenge::{Challenge, Qop};
pub(crate) use client::{Auth, AuthError};
pub use hash::Algorithm;
pub use respond::{Credentials, new_cnonce, respond};

/// Why a challenge was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("the challenge is not of the Digest scheme, but {0}")]
    Scheme(String),
    #[error("the Digest challenge is malformed: {0}")]
    Malformed(&'static str),
    #[error("no challenge can be answered: {0}")]
    Unsupported(String),
    #[error("the user name holds a line break or a NUL")]
    Username,
}
