// SPDX-License-Identifier: MPL-2.0
//! WebRTC connections: a [`Peer`] drives the `webrtcbin` or `rtcbin` of a media graph.
//!
//! webrtcbin before 1.28.5 does not check who its DTLS peer is, so [`Peer`] does: no media passes
//! either way before the peer's certificate has the fingerprint that the signalling promised. rtcbin
//! does that itself.

pub mod description;
mod ear;
mod gate;
mod kind;
mod mouth;
pub mod participant;
mod peer;
mod relay;
mod running;
mod stats;

pub use peer::{Peer, PeerConfig, PeerError, PeerEvent, Probe};
pub use relay::Relay;
pub use stats::LinkStats;
