// SPDX-License-Identifier: MPL-2.0
//! From a URI to the servers that may be asked, best first (RFC 3263), sans-IO.
//!
//! A [`Resolution`] says which records it wants, is given them, and comes to a list of [`Hop`]s. It
//! knows no name server, no cache and no clock. [`Down`] remembers which of them failed.

mod down;
mod order;
mod resolution;

use std::net::IpAddr;

pub use down::{Down, Fallen};
pub use resolution::{Resolution, ResolveError};

/// Records that a [`Resolution`] wants. Names that end in a dot are whole; the search list of the
/// system may complete others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    Naptr(String),
    Srv(String),
    /// Both A and AAAA.
    Addresses(String),
}

/// What a name server knows. An empty list: there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
    Addresses(Vec<IpAddr>),
}

/// What a NAPTR record says that matters to SIP (RFC 3263 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: String,
    pub service: String,
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: String,
}
