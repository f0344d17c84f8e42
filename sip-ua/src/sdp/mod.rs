// SPDX-License-Identifier: MPL-2.0
//! Offer and answer (RFC 3264) for one audio stream.

mod error;
mod media;

pub use error::SdpError;
pub use media::{Codec, Direction, LocalMedia, Negotiated, OpusFmtp, SessionId};
