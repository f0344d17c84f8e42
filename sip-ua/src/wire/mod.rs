// SPDX-License-Identifier: MPL-2.0
//! SIP messages on the wire: octets in, octets out (RFC 3261 §7, §25).
//!
//! Reading takes two steps. [`read_datagram`] finds the message's parts and refuses what has none;
//! it keeps every header value as it came, in whatever encoding. [`validate`] then types the
//! headers every message must have, and is where a syntactically sound message that must be
//! answered 400 is told from a good one. A [`ReadError`] carries the answer the sender is owed.
//!
//! What is written is always well-formed: Content-Length is set, header values cannot hold a line
//! break.

mod address;
mod cseq;
mod diversion;
mod error;
mod frame;
mod header_name;
mod headers;
mod history;
mod host;
mod message;
mod method;
mod origin;
mod params;
mod privacy;
mod rack;
mod read;
mod replaces;
mod scan;
mod status;
mod stir;
mod uri;
mod uri_compare;
mod validate;
mod via;
mod write;

pub(crate) use address::tagged;
pub use address::{AddressError, NameAddr};
pub use cseq::CSeq;
pub use diversion::Diversion;
pub use error::{ReadError, ReadErrorKind};
pub use frame::{FrameError, body_length, head_end};
pub use header_name::HeaderName;
pub use headers::{HeaderError, HeaderValue, Headers};
pub use history::HistoryEntry;
pub use host::Host;
pub use message::{Message, Request, Response};
pub use method::Method;
pub use origin::Origin;
pub use params::Params;
pub use privacy::Privacy;
pub use rack::{RAck, rseq};
pub use read::{
    MAX_BODY_OCTETS, MAX_FIELD_OCTETS, MAX_FIELDS, MAX_HEAD_OCTETS, read_datagram, read_framed,
};
pub(crate) use read::{read_datagram_shared, read_framed_shared};
pub use replaces::Replaces;
pub use scan::split_list;
pub use status::reason_phrase;
pub use stir::{Attestation, Claims, Identity};
pub use uri::{Scheme, Uri, UriError};
pub use validate::{Contacts, Core, MAX_HOPS, validate};
pub use via::{BRANCH_COOKIE, Transport, Via};
