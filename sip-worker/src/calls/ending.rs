// SPDX-License-Identifier: MPL-2.0
//! How a call ends: what the phone is told and what people are told.

use crate::sfu::SfuError;

/// The end of a call, from our side or the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The SIP status: what we refuse an unanswered call with, or what the far end said.
    pub code: Option<u16>,
    /// One sentence for the log, the API and the page.
    pub why: String,
}

impl Ending {
    /// An end with a SIP status.
    pub fn new(code: u16, why: impl Into<String>) -> Ending {
        Ending {
            code: Some(code),
            why: why.into(),
        }
    }

    /// Somebody here asked for it.
    pub fn asked(why: impl Into<String>) -> Ending {
        Ending {
            code: None,
            why: why.into(),
        }
    }

    /// What the phone is told. It need not know our addresses and names, which `why` may hold.
    pub fn phrase(&self) -> &'static str {
        match self.code {
            Some(404) => "No such room",
            Some(403) => "Not allowed into the room",
            Some(408) => "No media from the phone",
            Some(480) => "Nobody is there",
            Some(486) => "No place in the room",
            Some(603) => "Declined",
            Some(500..=599) => "The room is unavailable",
            Some(_) | None => "The call was ended",
        }
    }
}

impl From<SfuError> for Ending {
    fn from(error: SfuError) -> Ending {
        Ending::new(error.sip_code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phone_learns_nothing_of_our_network() {
        let lost = SfuError::Unreachable {
            sfu: "main".to_owned(),
            url: "ws://10.0.0.7:8188".to_owned(),
            reason: "refused".to_owned(),
        };
        let ending = Ending::from(lost);
        assert!(ending.why.contains("10.0.0.7"));
        assert_eq!(
            (ending.code, ending.phrase()),
            (Some(503), "The room is unavailable")
        );
    }
}
