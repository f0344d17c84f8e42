// SPDX-License-Identifier: MPL-2.0
//! How messages travel (RFC 3261 §18).

mod flow;
mod flows;
mod framer;

use std::fmt;
use std::net::SocketAddr;

pub use flows::{Action, FlowLimits, Flows};
pub use framer::{EndlessError, Frame, Framer};

use crate::wire::{self, Uri};

/// A transport that this user agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// The transport of that name, as URIs and Vias have it; `None` for one that is not spoken here.
    pub fn named(name: &[u8]) -> Option<Transport> {
        [Transport::Udp, Transport::Tcp]
            .into_iter()
            .find(|transport| name.eq_ignore_ascii_case(transport.name().as_bytes()))
    }

    /// As it stands in a URI's `transport` parameter.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }

    /// It repeats by itself what was lost: no SIP timer has to.
    pub fn is_reliable(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp => true,
        }
    }

    /// The transport that a `sip:` URI asks for; UDP where it asks for none (RFC 3263 §4.1).
    /// `None` for one that is not spoken here.
    pub fn of_uri(uri: &Uri) -> Option<Transport> {
        match uri.params.get("transport") {
            Some(name) => Transport::named(name),
            None => Some(Transport::Udp),
        }
    }

    /// As a Via names it.
    pub fn in_via(self) -> wire::Transport {
        match self {
            Transport::Udp => wire::Transport::Udp,
            Transport::Tcp => wire::Transport::Tcp,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where to send: an address, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    pub transport: Transport,
    pub addr: SocketAddr,
}

/// Over UDP.
impl From<SocketAddr> for Hop {
    fn from(addr: SocketAddr) -> Hop {
        Hop {
            transport: Transport::Udp,
            addr,
        }
    }
}

/// `udp:192.0.2.1:5060`.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.addr)
    }
}

/// One open connection of a user agent. Never used twice, so that nobody inherits what was meant
/// for somebody who had the same port before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub(crate) u64);

/// Where a message came from, and to what address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arrival {
    pub transport: Transport,
    pub local: SocketAddr,
    pub source: SocketAddr,
    /// The connection it came over; none for a datagram.
    pub flow: Option<FlowId>,
}

impl Arrival {
    /// Of a datagram.
    pub fn datagram(local: SocketAddr, source: SocketAddr) -> Arrival {
        Arrival {
            transport: Transport::Udp,
            local,
            source,
            flow: None,
        }
    }
}
