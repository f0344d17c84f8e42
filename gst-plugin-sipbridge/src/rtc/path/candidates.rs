// SPDX-License-Identifier: MPL-2.0
//! Where both sides may be reached.

use is::{Candidate, Protocol};

/// RFC 8445 section 5.1 says no number; a peer has a few interfaces.
const REMOTE_CANDIDATES_MAX: usize = 100;

/// Where both sides may be reached, as far as they said.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(super) local: Vec<Candidate>,
    pub(super) remote: Vec<Candidate>,
}

impl Candidates {
    /// One of ours; `None`: it is known.
    pub(crate) fn add_local(&mut self, candidate: Candidate) -> Option<&Candidate> {
        if self.local.contains(&candidate) {
            return None;
        }
        self.local.push(candidate);
        self.local.last()
    }

    /// One of ours that is no longer there; `None`: it never was.
    pub(crate) fn remove_local(&mut self, candidate: &Candidate) -> Option<Candidate> {
        let place = self.local.iter().position(|known| known == candidate)?;
        Some(self.local.remove(place))
    }

    /// One of the far end, as a description or a trickle message has it. `None`: it is known, or passed
    /// over, as those are that are not for UDP, or name a host instead of an address: the checks of the far
    /// end find us.
    pub(crate) fn add_remote(&mut self, candidate: &str) -> Option<&Candidate> {
        let text = candidate.trim().trim_start_matches("a=");
        if text.is_empty() {
            return None;
        }
        let candidate = match Candidate::from_sdp_string(text) {
            Ok(candidate) if candidate.proto() == Protocol::Udp => candidate,
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(candidate = text, %error, "a candidate of the far end is passed over");
                return None;
            }
        };
        if self.remote.len() >= REMOTE_CANDIDATES_MAX || self.remote.contains(&candidate) {
            return None;
        }
        self.remote.push(candidate);
        self.remote.last()
    }

    /// Candidates of before a restart are not candidates of after it.
    pub(crate) fn forget_remote(&mut self) {
        self.remote.clear();
    }
}
