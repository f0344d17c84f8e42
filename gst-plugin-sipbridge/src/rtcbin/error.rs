// SPDX-License-Identifier: MPL-2.0
//! Why a step of a session failed, and what that is to GStreamer.

use gst::glib;
use gst_webrtc::WebRTCSDPType;

use super::settings::AddressError;
use crate::context::ContextError;
use crate::rtc::NegotiationError;
use crate::rtc::description::DescriptionError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error("the system gives no randomness to make a certificate of")]
    NoCertificate,
    #[error("the element is in NULL: nothing can be agreed on")]
    NotReady,
    #[error("{0:?} descriptions are not supported: only offers and answers are")]
    Kind(WebRTCSDPType),
    #[error("none of the local addresses can be a candidate")]
    NoCandidates,
    #[error("ice-transport-policy is relay, and there is no turn-server: no candidate is left")]
    NoRelay,
    #[error(
        "ice-transport-policy is relay, and ice-lite has host candidates only: no candidate is left"
    )]
    LiteRelay,
}

impl From<SessionError> for glib::Error {
    fn from(error: SessionError) -> glib::Error {
        use gst_webrtc::WebRTCError;
        let kind = match &error {
            SessionError::Negotiation(NegotiationError::State { .. }) | SessionError::NotReady => {
                WebRTCError::InvalidState
            }
            SessionError::Negotiation(NegotiationError::Description(_))
            | SessionError::Description(_) => WebRTCError::SdpSyntaxError,
            SessionError::Negotiation(_) | SessionError::Kind(_) => {
                WebRTCError::InvalidModification
            }
            _ => WebRTCError::InternalFailure,
        };
        glib::Error::new(kind, &error.to_string())
    }
}
