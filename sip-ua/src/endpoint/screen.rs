// SPDX-License-Identifier: MPL-2.0
//! Who may talk to this user agent at all, and how much of it at once.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::wire::Request;

/// What to do with a request that belongs to no call of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Go on: this user has proved who they are. They may register, and what they call carries
    /// their name.
    AllowUser(String),
    /// Not one byte back: to whoever sent it there is nobody here.
    Silent,
    /// Answer with this final status (300–699).
    Refuse(u16),
    /// Answer 401 with these values of WWW-Authenticate, such as
    /// [`Verifier::challenges`](crate::digest::server::Verifier::challenges) makes.
    Challenge(Vec<Vec<u8>>),
}

/// Judges every request outside a dialog before anything is answered or remembered.
///
/// A request too broken to be read is judged by what could be read of it, and answered only if
/// allowed. The screen runs in the agent's task: it must not wait for anything.
pub type Screen = Arc<dyn Fn(&Request, SocketAddr) -> Verdict + Send + Sync>;

/// What bounds the memory of a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once, either way. One more INVITE gets 503 with Retry-After.
    pub max_calls: usize,
    /// Transactions that are alive at once; finished ones count for up to 32 s.
    pub max_transactions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_calls: 10_000,
            max_transactions: 200_000,
        }
    }
}
