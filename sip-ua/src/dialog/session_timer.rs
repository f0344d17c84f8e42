// SPDX-License-Identifier: MPL-2.0
//! Session timers (RFC 4028): a call whose far end vanished without a BYE does not last for ever.

use std::time::Duration;

/// What this side wants of session timers. They are kept where the far end knows them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// How long a session may go without a refresh. Zero asks for no timer; one that the far end asks
    /// for is kept all the same.
    pub interval: Duration,
    /// The shortest interval agreed to. Never below [`SessionTimer::LEAST`].
    pub min_se: Duration,
    /// Who is to refresh.
    pub refresher: Refresher,
}

/// Who refreshes a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Refresher {
    /// Whoever made the call, unless the far end chooses otherwise.
    #[default]
    Either,
    /// This side.
    Us,
    /// The far end.
    Them,
}

impl SessionTimer {
    /// No interval may be shorter (§5).
    pub const LEAST: Duration = Duration::from_secs(90);
}

impl Default for SessionTimer {
    /// Half an hour, as §4 recommends.
    fn default() -> Self {
        SessionTimer {
            interval: Duration::from_secs(1_800),
            min_se: SessionTimer::LEAST,
            refresher: Refresher::Either,
        }
    }
}
