// SPDX-License-Identifier: MPL-2.0
//! What can go wrong with an SFU, and what the telephone is told of it.

use std::time::Duration;

/// Why an SFU did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SfuError {
    #[error("the SFU {sfu} has no room {room:?}{}", hint(.detail))]
    NoSuchRoom {
        sfu: String,
        room: String,
        detail: String,
    },
    #[error("the SFU {sfu} does not let us in: {reason}")]
    Forbidden { sfu: String, reason: String },
    #[error("room {room:?} on the SFU {sfu} is full: {reason}")]
    Full {
        sfu: String,
        room: String,
        reason: String,
    },
    #[error("room {room:?} on the SFU {sfu} already has a participant {participant:?}")]
    Taken {
        sfu: String,
        room: String,
        participant: String,
    },
    #[error("the SFU {sfu} has no track {track:?} (any more)")]
    NoSuchTrack { sfu: String, track: String },
    #[error("the SFU {sfu} cannot be reached at {url}: {reason}")]
    Unreachable {
        sfu: String,
        url: String,
        reason: String,
    },
    #[error("the SFU {sfu} did not answer {request:?} within {after:?}")]
    Timeout {
        sfu: String,
        request: &'static str,
        after: Duration,
    },
    #[error("the SFU {sfu} answered {request:?} with nonsense: {reason}")]
    Nonsense {
        sfu: String,
        request: &'static str,
        reason: String,
    },
    #[error("the SFU {sfu} refused {request:?}: {reason} (its code {code})")]
    Refused {
        sfu: String,
        request: &'static str,
        code: i64,
        reason: String,
    },
    #[error("the connection to the SFU {sfu} is lost: {reason}")]
    Lost { sfu: String, reason: String },
    #[error("the SFU {sfu} takes no offer and makes one itself")]
    OffersItself { sfu: String },
    #[error("the SFU {sfu} cannot {what}")]
    Unsupported { sfu: String, what: &'static str },
}

fn hint(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(": {detail}")
    }
}

impl SfuError {
    /// The answer to a telephone that wanted into the room.
    pub fn sip_code(&self) -> u16 {
        match self {
            SfuError::NoSuchRoom { .. } | SfuError::NoSuchTrack { .. } => 404,
            SfuError::Forbidden { .. } => 403,
            SfuError::Full { .. } | SfuError::Taken { .. } => 486,
            SfuError::Unreachable { .. }
            | SfuError::Timeout { .. }
            | SfuError::Nonsense { .. }
            | SfuError::Refused { .. }
            | SfuError::Lost { .. }
            | SfuError::OffersItself { .. } => 503,
            SfuError::Unsupported { .. } => 501,
        }
    }

    /// One of a fixed few words, fit for a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            SfuError::NoSuchRoom { .. } => "no_such_room",
            SfuError::Forbidden { .. } => "forbidden",
            SfuError::Full { .. } => "full",
            SfuError::Taken { .. } => "taken",
            SfuError::NoSuchTrack { .. } => "no_such_track",
            SfuError::Unreachable { .. } => "unreachable",
            SfuError::Timeout { .. } => "timeout",
            SfuError::Nonsense { .. } => "nonsense",
            SfuError::Refused { .. } => "refused",
            SfuError::Lost { .. } => "lost",
            SfuError::OffersItself { .. } => "offers_itself",
            SfuError::Unsupported { .. } => "unsupported",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_is_told_the_right_thing() {
        let sfu = || "main".to_owned();
        let missing = SfuError::NoSuchRoom {
            sfu: sfu(),
            room: "lobby".into(),
            detail: String::new(),
        };
        assert_eq!(missing.sip_code(), 404);
        assert_eq!(missing.to_string(), "the SFU main has no room \"lobby\"");
        let unreachable = SfuError::Unreachable {
            sfu: sfu(),
            url: "ws://127.0.0.1:1".into(),
            reason: "connection refused".into(),
        };
        assert_eq!(
            (unreachable.sip_code(), unreachable.label()),
            (503, "unreachable")
        );
        let wrong_pin = SfuError::Forbidden {
            sfu: sfu(),
            reason: "wrong PIN".into(),
        };
        assert_eq!(wrong_pin.sip_code(), 403);
    }
}
