// SPDX-License-Identifier: MPL-2.0
//! Whether the key of a description (RFC 4568) is the one that its writer protects with.
//!
//! A packet that is not authentic may be anybody's. When all of them are not, and they come from where the far
//! end said it is, then it has another key than it told, and will never be heard.

use std::time::{Duration, Instant};

/// So many packets of the far end, and none that is authentic …
const REFUSED_MAX: u32 = 100;

/// … over so long: what was on its way with a former key has arrived by then.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// An authentic packet came: from now on others are somebody else's.
    resolved: bool,
    since: Option<Instant>,
    refused: u32,
}

impl Doubt {
    /// An authentic packet came.
    pub(super) fn resolve(&mut self) {
        self.resolved = true;
    }

    /// A packet from where the far end is was not authentic. True, once: its key is another.
    pub(super) fn refuse(&mut self, now: Instant) -> bool {
        if self.resolved {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        self.refused += 1;
        let proved = self.refused >= REFUSED_MAX && now >= since + PATIENCE;
        self.resolved = proved;
        proved
    }
}
