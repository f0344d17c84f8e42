// SPDX-License-Identifier: MPL-2.0
//! Why an offer or an answer does not cross, and what SIP says to that.

use sip_ua::sdp::Codec;

use crate::media::bridge::Side;
use crate::session::SessionError;

/// Why an offer or an answer does not cross. The bridge stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// What a side says cannot be agreed on.
    #[error("side {}: {error}", .side.name())]
    Description {
        /// Which side said it.
        side: Side,
        /// What is wrong with it.
        error: SessionError,
    },
    /// Nothing of what one side offers may be offered to the other.
    #[error(
        "none of the codecs that side {} offers ({}) may be offered to side {}",
        .from.name(), list(.offered), .from.other().name()
    )]
    NothingToOffer {
        /// Who offers.
        from: Side,
        /// What.
        offered: Vec<Codec>,
    },
    /// Both sides offer at a time (RFC 3261 section 14.1).
    #[error("an offer of side {} waits for its answer", .0.name())]
    Glare(Side),
    /// There is no offer that could be answered or withdrawn.
    #[error("there is no offer that this could be an answer to")]
    NoOffer,
    /// The tag is nobody's in this bridge.
    #[error("nobody in this bridge has the tag {0:?}")]
    UnknownTag(String),
    /// Somebody answers an offer that was made to another.
    #[error("the offer is for {expected:?} to answer, and {found:?} does")]
    NotAsked {
        /// Who was asked.
        expected: String,
        /// Who answers.
        found: String,
    },
    /// An answer from who offered.
    #[error("{0:?} cannot answer an offer of its own")]
    OwnOffer(String),
    /// More answers to one offer than a call has branches.
    #[error("more than {0} have answered one offer")]
    TooManyAnswers(usize),
}

impl ExchangeError {
    /// The status that whoever offered can be told (RFC 3261 section 21.4).
    pub fn sip_code(&self) -> u16 {
        match self {
            ExchangeError::Description { error, .. } => error.sip_code(),
            ExchangeError::NothingToOffer { .. } => 488,
            ExchangeError::Glare(_) => 491,
            ExchangeError::NoOffer
            | ExchangeError::UnknownTag(_)
            | ExchangeError::NotAsked { .. }
            | ExchangeError::OwnOffer(_) => 481,
            ExchangeError::TooManyAnswers(_) => 500,
        }
    }
}

fn list(codecs: &[Codec]) -> String {
    let names: Vec<&str> = codecs.iter().map(|codec| codec.name()).collect();
    names.join(", ")
}
