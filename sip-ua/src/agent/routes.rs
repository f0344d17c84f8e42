// SPDX-License-Identifier: MPL-2.0
//! Which address of ours leads to a far end.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use super::AgentError;

/// Far ends whose route is remembered; routes change, and strangers must not fill memory.
const REMEMBERED: usize = 1024;

/// Asks the kernel, and remembers for a while.
#[derive(Clone)]
pub(super) struct Routes {
    /// An address that a listener is bound to, where it is not bound to all.
    bound: Arc<[IpAddr]>,
    known: Arc<Mutex<HashMap<IpAddr, IpAddr>>>,
}

impl Routes {
    pub(super) fn new(listeners: impl Iterator<Item = SocketAddr>) -> Self {
        Routes {
            bound: listeners.map(|addr| addr.ip()).collect(),
            known: Arc::default(),
        }
    }

    pub(super) fn local_ip_towards(&self, remote: IpAddr) -> Result<IpAddr, AgentError> {
        let same_family = |ip: &&IpAddr| ip.is_ipv4() == remote.is_ipv4();
        if let Some(ip) = self
            .bound
            .iter()
            .find(same_family)
            .filter(|ip| !ip.is_unspecified())
        {
            return Ok(*ip);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ip) = known.get(&remote) {
            return Ok(*ip);
        }
        let ip = ask_kernel(remote).map_err(|source| AgentError::NoRoute { remote, source })?;
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(remote, ip);
        Ok(ip)
    }
}

/// Connecting a datagram socket sends nothing and picks the source address.
fn ask_kernel(remote: IpAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((remote, 5060))?;
    Ok(socket.local_addr()?.ip())
}
