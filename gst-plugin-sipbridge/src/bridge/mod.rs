// SPDX-License-Identifier: MPL-2.0
//! Offer and answer across a bridge (RFC 3264), sans-IO: what one side offers becomes an offer for the
//! other, what that one answers becomes an answer for the first.
//!
//! An [`Exchange`] knows who is there by **tag**, as SIP does: who offered first is on side A, whoever
//! answers that is on side B. Several may answer one offer, as forked early dialogs do; each keeps
//! descriptions of its own, and whoever answered last is the one that is heard. From then on either
//! side may offer anew: hold, another codec, a moved address.
//!
//! Each side is a session of its own: addresses, keys, payload types and the `o=` line never cross.
//! What crosses is what both have to agree on: codecs, direction, packet time, whether there are
//! telephone events and comfort noise. So the codec that one side chose is what the other is answered
//! with, where it offered it, and packets pass as they are; else its own first one, and audio is
//! transcoded.

mod config;
mod error;
mod exchange;
mod terms;

#[cfg(test)]
mod tests;

pub use config::{DtlsConfig, ExchangeConfig, IcePolicy, SideConfig};
pub use error::ExchangeError;
pub use exchange::{Answered, Crossing, Exchange, Expired};
