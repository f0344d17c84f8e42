// SPDX-License-Identifier: MPL-2.0
//! Which way a request takes: the transport its next hop asks for, from the listener that speaks it
//! (RFC 3261 §18.1.1, RFC 3263 §4.1).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::call::Call;
use crate::dialog::Dialog;
use crate::transaction::Path;
use crate::transport::{Hop, Proof, Transport};

/// How long a far end without TCP is not tried again.
const REMEMBER_NO_TCP: Duration = Duration::from_secs(600);

/// How many such far ends are remembered.
const REMEMBERED: usize = 1024;

/// The addresses of ours, and what is known of the far ends' transports.
pub(super) struct Paths {
    listeners: Vec<Hop>,
    without_tcp: HashMap<SocketAddr, Instant>,
}

impl Paths {
    pub(super) fn new(listeners: Vec<Hop>) -> Paths {
        Paths {
            listeners,
            without_tcp: HashMap::new(),
        }
    }

    /// The address of ours that speaks `transport`, where `path` leads.
    fn beside(&self, path: Path, transport: Transport) -> Option<SocketAddr> {
        if path.transport == transport {
            return Some(path.local);
        }
        let mut fit = self
            .listeners
            .iter()
            .filter(|hop| hop.transport == transport && hop.addr.is_ipv4() == path.local.is_ipv4())
            .map(|hop| match hop.addr.ip().is_unspecified() {
                true => SocketAddr::new(path.local.ip(), hop.addr.port()),
                false => hop.addr,
            });
        let first = fit.next()?;
        Some(
            std::iter::once(first)
                .chain(fit)
                .find(|addr| addr.ip() == path.local.ip())
                .unwrap_or(first),
        )
    }

    /// Where a request within the call's dialog goes.
    pub(super) fn to(&self, call: &Call, dialog: &Dialog) -> Path {
        self.from(call.path, dialog, call.direct)
    }

    /// [`to`](Self::to) for a dialog that no call has. `direct`: nobody stands between the far end
    /// and whoever we reach by `path`.
    pub(super) fn from(&self, path: Path, dialog: &Dialog, direct: bool) -> Path {
        let hop = dialog.next_hop();
        // Who says nothing of a transport means the one that brought it here.
        let asked = Transport::asked(hop).flatten();
        let asked = asked.filter(|asked| asked.is_secure() || !dialog.is_secure());
        let transport = match asked {
            // A browser's Contact says `ws` in either case.
            Some(Transport::Ws) if path.transport.is_websocket() => path.transport,
            Some(asked) => asked,
            None => path.transport,
        };
        let usable = |addr: &SocketAddr| {
            addr.is_ipv4() == path.local.is_ipv4()
                && !addr.ip().is_unspecified()
                && addr.port() != 0
        };
        let remote = hop
            .host
            .ip_to_reach()
            .map(|ip| SocketAddr::new(ip, hop.port.unwrap_or(transport.default_port())))
            .filter(usable);
        // A host name is reached where the call is: the far end, or the proxy in front of it.
        let Some(remote) = remote else {
            return path;
        };
        // What led to this far end before still does.
        let proof = match remote == path.remote && transport == path.transport {
            true => path.proof,
            false => Proof::Address,
        };
        let Some(local) = self.beside(path, transport) else {
            return Path {
                remote,
                proof,
                ..path
            };
        };
        // A far end behind a NAT can be reached over its own connection only.
        let near = direct || remote.ip() == path.remote.ip();
        Path {
            transport,
            local,
            remote,
            flow: path.flow.filter(|_| near && transport == path.transport),
            proof,
        }
    }

    /// The way over TCP for a request that is too long for a datagram.
    pub(super) fn instead_of_udp(&self, now: Instant, path: Path) -> Option<Path> {
        if path.transport != Transport::Udp
            || self
                .without_tcp
                .get(&path.remote)
                .is_some_and(|until| now < *until)
        {
            return None;
        }
        Some(Path {
            transport: Transport::Tcp,
            local: self.beside(path, Transport::Tcp)?,
            ..path
        })
    }

    /// No TCP connection with this far end came about.
    pub(super) fn has_no_tcp(&mut self, now: Instant, remote: SocketAddr) {
        if self.without_tcp.len() >= REMEMBERED {
            self.without_tcp.clear();
        }
        self.without_tcp.insert(remote, now + REMEMBER_NO_TCP);
    }
}
