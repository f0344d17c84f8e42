// SPDX-License-Identifier: MPL-2.0
//! A UDP socket of a connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use crate::context::stamp_arrivals;

pub(super) struct Socket {
    socket: mio::net::UdpSocket,
    local: SocketAddr,
}

impl Socket {
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Socket> {
        let local = socket.local_addr()?;
        if let Err(error) = stamp_arrivals(&socket) {
            tracing::debug!(%local, %error, "the system does not say when packets came");
        }
        Ok(Socket {
            socket: mio::net::UdpSocket::from_std(socket),
            local,
        })
    }

    /// Where it is bound.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// For whoever watches it.
    pub(super) fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.socket
    }

    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.send_to(bytes, to) {
            // Lost, as it might have been on the way.
            tracing::trace!(%to, %error, "a packet was not sent");
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
