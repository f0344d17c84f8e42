// SPDX-License-Identifier: MPL-2.0
//! Offer and answer (RFC 3264) for one audio stream.
//!
//! This module knows no transport, no socket and no clock: it takes what we have ([`LocalMedia`])
//! and what the far end said (bytes), and returns what to say (bytes) and what was agreed
//! ([`Negotiated`]). Descriptions are read and written by the crate `sdp-types`; the negotiation
//! is ours.
//!
//! ```
//! use sip_ua::sdp::{self, Codec, LocalMedia, SessionId};
//!
//! let caller = LocalMedia::new("192.0.2.1".parse()?, 10_000, vec![Codec::Opus, Codec::Pcmu]);
//! let callee = LocalMedia::new("192.0.2.2".parse()?, 20_000, vec![Codec::Pcmu]);
//!
//! let offer = sdp::offer(&caller);
//! let (answer, at_callee) = sdp::answer(&callee, &offer)?;
//! let at_caller = sdp::accept_answer(&caller, &offer, &answer)?;
//!
//! assert_eq!(at_callee.codec, Codec::Pcmu);
//! assert_eq!(at_caller.remote_rtp, "192.0.2.2:20000".parse()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod dtls;
mod error;
mod media;
mod negotiate;
mod read;
mod sdes;
mod secure;
mod write;

#[cfg(test)]
mod tests;

pub use body::description_in;
pub use dtls::{
    DtlsKeys, IceAgreed, IceCredentials, LocalDtls, LocalIce, Setup, TlsId, read_fingerprint,
    write_fingerprint,
};
pub use error::SdpError;
pub use media::{Codec, Direction, LocalMedia, Negotiated, OpusFmtp, SessionId};
pub use negotiate::{accept_answer, answer, wants_handshake};
pub use sdes::{LocalSrtp, MasterKey, SrtpKeys, SrtpPolicy, Suite};
pub use write::{offer, reoffer};
