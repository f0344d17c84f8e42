// SPDX-License-Identifier: MPL-2.0
//! How messages travel (RFC 3261 §18).

mod domain;
mod flow;
mod flows;
mod framer;
mod strangers;

use std::fmt;
use std::net::SocketAddr;

pub use domain::Domain;
pub use flows::{Action, FlowLimits, Flows};
pub use framer::{EndlessError, Frame, Framer};

use crate::wire::{self, Scheme, Uri};

/// A transport that this user agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    /// WebSocket (RFC 7118): browsers open it, this side never does.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    const ALL: [Transport; 5] = [
        Transport::Udp,
        Transport::Tcp,
        Transport::Tls,
        Transport::Ws,
        Transport::Wss,
    ];

    /// The transport of that name, as listeners and URIs have it; `None` for one that is not spoken
    /// here.
    pub fn named(name: &[u8]) -> Option<Transport> {
        Transport::ALL
            .into_iter()
            .find(|transport| name.eq_ignore_ascii_case(transport.name().as_bytes()))
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// What stands in the `transport` parameter of a `sip:` URI. A WebSocket has one name there, with
    /// TLS and without (RFC 7118 §5.2.2).
    pub fn in_uri(self) -> &'static str {
        match self {
            Transport::Wss => Transport::Ws.name(),
            other => other.name(),
        }
    }

    /// It repeats by itself what was lost: no SIP timer has to.
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Nobody on the way can read it, or pass for the far end.
    pub fn is_secure(self) -> bool {
        match self {
            Transport::Udp | Transport::Tcp | Transport::Ws => false,
            Transport::Tls | Transport::Wss => true,
        }
    }

    /// One message of its own holds one of ours, and only the far end opens it.
    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// A connection is of use only once both sides have agreed on more than TCP.
    pub(crate) fn has_handshake(self) -> bool {
        self.is_secure() || self.is_websocket()
    }

    /// Where no port is said (RFC 3261 §18.2.1, §19.1.2, RFC 7118 §8.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// The transport that a `sip:` or `sips:` URI asks for; UDP where it asks for none, TLS where it
    /// is a `sips:` URI (RFC 3263 §4.1). `None` for one that is not spoken here.
    pub fn of_uri(uri: &Uri) -> Option<Transport> {
        match Transport::asked(uri) {
            Some(asked) => asked,
            None => Some(Transport::Udp),
        }
    }

    /// What a URI says of its transport; `None` where it says nothing.
    pub(crate) fn asked(uri: &Uri) -> Option<Option<Transport>> {
        let named = uri.params.get("transport").map(Transport::named);
        if uri.scheme != Scheme::Sips {
            return named;
        }
        // All of the way is TLS, over the transport that it names (RFC 3261 §26.2.2).
        Some(match named {
            None | Some(Some(Transport::Tcp | Transport::Tls)) => Some(Transport::Tls),
            Some(Some(Transport::Ws | Transport::Wss)) => Some(Transport::Wss),
            Some(_) => None,
        })
    }

    /// As a Via names it.
    pub fn in_via(self) -> wire::Transport {
        match self {
            Transport::Udp => wire::Transport::Udp,
            Transport::Tcp => wire::Transport::Tcp,
            Transport::Tls => wire::Transport::Tls,
            Transport::Ws => wire::Transport::Ws,
            Transport::Wss => wire::Transport::Wss,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whom a connection that is opened must prove to lead to: its certificate names them (RFC 5922).
/// Only TLS proves anything; all else is [`Proof::Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Proof {
    /// The address itself, as where a URI says one.
    #[default]
    Address,
    /// The host of the URI that led there.
    Domain(Domain),
    /// Nobody: a connection that they opened is used, and none is made.
    Connected,
}

/// Where to send: an address, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    pub transport: Transport,
    pub addr: SocketAddr,
    pub proof: Proof,
}

impl Hop {
    pub fn new(transport: Transport, addr: SocketAddr) -> Hop {
        Hop {
            transport,
            addr,
            proof: Proof::Address,
        }
    }
}

/// Over UDP.
impl From<SocketAddr> for Hop {
    fn from(addr: SocketAddr) -> Hop {
        Hop::new(Transport::Udp, addr)
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

    /// Whoever sent it: what leads back to them over what it came over.
    pub fn hop(&self) -> Hop {
        Hop {
            transport: self.transport,
            addr: self.source,
            proof: match self.transport.has_handshake() {
                true => Proof::Connected,
                false => Proof::Address,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_asks_for_its_transport() {
        let asked = |uri: &str| {
            let uri: Uri = uri.parse().unwrap();
            Transport::of_uri(&uri).map(|transport| (transport.name(), transport.default_port()))
        };
        for (uri, wanted) in [
            ("sip:a", Some(("udp", 5060))),
            ("sip:a;transport=TCP", Some(("tcp", 5060))),
            ("sip:a;transport=tls", Some(("tls", 5061))),
            ("sip:a;transport=ws", Some(("ws", 80))),
            ("sip:a;transport=sctp", None),
            ("sips:a", Some(("tls", 5061))),
            ("sips:a;transport=tcp", Some(("tls", 5061))),
            ("sips:a;transport=ws", Some(("wss", 443))),
            ("sips:a;transport=udp", None),
        ] {
            assert_eq!(asked(uri), wanted, "{uri}");
        }
    }
}
