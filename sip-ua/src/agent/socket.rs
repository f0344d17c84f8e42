// SPDX-License-Identifier: MPL-2.0
//! A UDP listener.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use tokio::net::UdpSocket;

/// A burst of INVITEs must survive a busy moment of the task.
const RECEIVE_BUFFER: usize = 4 << 20;

pub(super) struct Socket {
    udp: UdpSocket,
    local_addr: SocketAddr,
}

impl Socket {
    pub(super) fn open(addr: SocketAddr) -> io::Result<Socket> {
        let socket = socket2::Socket::new(
            Domain::for_address(addr),
            Type::DGRAM.nonblocking().cloexec(),
            Some(Protocol::UDP),
        )?;
        if addr.is_ipv6() {
            // IPv4 has listeners of its own, with addresses that look like such.
            socket.set_only_v6(true)?;
        }
        // The kernel grants what net.core.rmem_max allows; less is no failure.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.bind(&SockAddr::from(addr))?;
        let udp = UdpSocket::from_std(socket.into())?;
        let local_addr = udp.local_addr()?;
        Ok(Socket { udp, local_addr })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(super) fn udp(&self) -> &UdpSocket {
        &self.udp
    }

    /// Sends at once or not at all. Past tokio's own bookkeeping, which calls a new socket blocked
    /// until its reactor has seen it, and would lose the first INVITE.
    pub(super) fn send(&self, datagram: &[u8], remote: SocketAddr) -> io::Result<usize> {
        SockRef::from(&self.udp).send_to(datagram, &SockAddr::from(remote))
    }

    /// Whether packets of this path leave through this socket.
    pub(super) fn carries(&self, local: SocketAddr) -> bool {
        let own = self.local_addr;
        own.port() == local.port()
            && own.is_ipv4() == local.is_ipv4()
            && (own.ip() == local.ip() || own.ip().is_unspecified())
    }
}
