// SPDX-License-Identifier: MPL-2.0
//! Why a step of the exchange was refused.

use super::SignalingState;
use crate::rtc::description::DescriptionError;

/// Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// The description cannot be used.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// It is not the time for it.
    #[error("cannot {step} while signaling is {state:?}")]
    State {
        /// What was asked.
        step: &'static str,
        /// Where signaling stands.
        state: SignalingState,
    },
    /// RFC 3264 section 6
    #[error("the answer has {answered} media lines where the offer has {offered}")]
    Lines {
        /// In the offer.
        offered: usize,
        /// In the answer.
        answered: usize,
    },
    /// RFC 8842 section 5.3
    #[error("the answer leaves open who begins the DTLS handshake (a=setup:actpass)")]
    OpenSetup,
    /// There is nothing to offer.
    #[error("there is no track to make an offer of")]
    NothingToOffer,
}
