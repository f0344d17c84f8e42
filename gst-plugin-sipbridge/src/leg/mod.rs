// SPDX-License-Identifier: MPL-2.0
//! The phone leg, sans-IO: RTP and RTCP, jitter buffer, digits and statistics.

mod stats;

pub use stats::LegStats;

/// Why digits cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigitsError {
    /// There is no such key.
    #[error("{0:?} is no telephone key: 0-9, *, # and A-D are")]
    NotADigit(char),
    /// The far end takes no RFC 4733 events.
    #[error("the far end did not agree to RFC 4733 telephone events")]
    NotNegotiated,
    /// Too many are waiting.
    #[error("too many digits are waiting to be sent")]
    QueueFull,
}
