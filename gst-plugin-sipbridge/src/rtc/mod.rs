// SPDX-License-Identifier: MPL-2.0
//! WebRTC for audio, sans-IO.
//!
//! [`Negotiation`] exchanges descriptions and says what was agreed as a [`Plan`]; [`Transport`] carries
//! it out: ICE, DTLS, SRTP and RTCP over datagrams that somebody else sends.
//! [`Receiver`] brings what arrives into order and time. None of them knows sockets or threads.

mod asking;
mod certificate;
pub mod description;
mod dtls;
mod framing;
mod kin;
mod local;
mod negotiation;
pub(crate) mod path;
mod plan;
mod receiver;
mod reflexive;
mod relay;
mod transport;

#[cfg(test)]
mod tests;

pub use certificate::{Certificate, credentials};
pub use kin::Kinship;
pub use local::{advertised, leading_out};
pub use negotiation::{
    Kind, Negotiation, NegotiationConfig, NegotiationError, Sender, SignalingState, TrackId,
};
pub use plan::{HeaderExtension, MediaPlan, Plan, ReceivePlan, Remote, SendPlan};
pub use receiver::{Arrival, Receiver, ReceiverStats};
pub use reflexive::Reflexive;
pub use relay::{Relay, RelayEvent, RelayLogin, RelayOver};
pub(crate) use transport::told_level;
pub use transport::{
    Action, IceState, Outgoing, Packet, Payload, Told, Transport, TransportEvent, TransportState,
    TransportStats, host_candidate,
};
