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
}

impl From<SfuError> for Ending {
    fn from(error: SfuError) -> Ending {
        Ending::new(error.sip_code(), error.to_string())
    }
}
