// SPDX-License-Identifier: MPL-2.0
//! A pair of ports for RTP and RTCP.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Instant;

use super::api::MediaError;
use super::pace::Wire;
use crate::context::Cx;
use crate::leg::{Datagram, Leg};

/// The tokens of the two, counted from the pair's first.
pub(super) const RTP: usize = 0;
pub(super) const RTCP: usize = 1;

/// Datagrams read of one call before others have their turn.
const READ_MAX: usize = 64;

/// No RTP packet is longer on any network we know.
const DATAGRAM_MAX: usize = 2_048;

/// Room for one datagram.
pub(super) type Buffer = Box<[u8; DATAGRAM_MAX]>;

pub(super) fn buffer() -> Buffer {
    Box::new([0; DATAGRAM_MAX])
}

/// The two sockets of a call and where they are.
pub(super) struct Pair {
    pub(super) sockets: Sockets,
    pub(super) local: SocketAddr,
}

/// The two sockets of a call, non-blocking.
pub(super) struct Sockets {
    rtp: mio::net::UdpSocket,
    rtcp: mio::net::UdpSocket,
}

impl Sockets {
    /// Has the task called when something comes; the tokens are `first` + [`RTP`] and + [`RTCP`].
    pub(super) fn watch(&mut self, cx: &mut Cx<'_>, first: usize) -> std::io::Result<()> {
        cx.register(&mut self.rtp, first + RTP)?;
        cx.register(&mut self.rtcp, first + RTCP)
    }

    pub(super) fn unwatch(&mut self, cx: &mut Cx<'_>) {
        for socket in [&mut self.rtp, &mut self.rtcp] {
            if let Err(error) = cx.deregister(socket) {
                // The new context says so too if it then cannot watch it.
                tracing::debug!(%error, "a media socket was not watched");
            }
        }
    }

    /// Gives the leg what came by one of them. True: there may be more.
    pub(super) fn read(
        &self,
        which: usize,
        now: Instant,
        leg: &mut Leg,
        buffer: &mut Buffer,
    ) -> bool {
        let socket = if which == RTP { &self.rtp } else { &self.rtcp };
        for _ in 0..READ_MAX {
            match socket.recv_from(buffer.as_mut_slice()) {
                Ok((length, from)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if which == RTP {
                        leg.receive_rtp(now, from, bytes);
                    } else {
                        leg.receive_rtcp(now, from, bytes);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // Somebody's port is closed, says ICMP; others may still send.
                Err(_) => {}
            }
        }
        true
    }

    /// Sends RTCP.
    pub(super) fn report(&self, muxed: bool, datagram: Datagram<'_>) {
        send(if muxed { &self.rtp } else { &self.rtcp }, datagram);
    }
}

impl Wire for Sockets {
    fn send(&mut self, datagram: Datagram<'_>) {
        send(&self.rtp, datagram);
    }
}

/// A packet the network does not take now is lost, as it might have been on the way.
fn send(socket: &mio::net::UdpSocket, datagram: Datagram<'_>) {
    if let Err(error) = socket.send_to(datagram.bytes, datagram.to) {
        tracing::trace!(to = %datagram.to, %error, "a media packet was not sent");
    }
}

/// Binds an even port and the next (RFC 3550 section 11), starting from a random place in the
/// range: ports of calls that just ended rest, and nobody can guess the next.
pub(super) fn open(address: IpAddr, ports: &RangeInclusive<u16>) -> Result<Pair, MediaError> {
    let first = u32::from(*ports.start()).max(2).next_multiple_of(2);
    let pairs = (u32::from(*ports.end()) + 1).saturating_sub(first) / 2;
    if pairs == 0 {
        return Err(MediaError::PortRange {
            ports: ports.clone(),
        });
    }
    let start = rand::random_range(0..pairs);
    for step in 0..pairs {
        // Below 65536, for both ends of the range are.
        let port = (first + (start + step) % pairs * 2) as u16;
        let local = SocketAddr::new(address, port);
        let taken = |error: &std::io::Error| error.kind() == ErrorKind::AddrInUse;
        let failed = |error| MediaError::Socket {
            address: local,
            error,
        };
        let rtp = match bind(local) {
            Err(error) if taken(&error) => continue,
            bound => bound.map_err(failed)?,
        };
        match bind(SocketAddr::new(address, port + 1)) {
            Err(error) if taken(&error) => {}
            bound => {
                let rtcp = bound.map_err(failed)?;
                return Ok(Pair {
                    sockets: Sockets { rtp, rtcp },
                    local,
                });
            }
        }
    }
    Err(MediaError::PortsExhausted {
        address,
        ports: ports.clone(),
    })
}

fn bind(address: SocketAddr) -> std::io::Result<mio::net::UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(mio::net::UdpSocket::from_std(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two free ports in a row, the first even, on loopback.
    fn free_range() -> RangeInclusive<u16> {
        let pair = open(IpAddr::from([127, 0, 0, 1]), &(20_000..=60_000)).unwrap();
        pair.local.port()..=pair.local.port() + 1
    }

    #[test]
    fn a_full_range_says_so_and_ports_come_back_on_close() {
        let ports = free_range();
        let here = IpAddr::from([127, 0, 0, 1]);
        let pair = open(here, &ports).unwrap();
        assert_eq!(pair.local.port() % 2, 0);
        let error = open(here, &ports).err().unwrap().to_string();
        assert!(error.contains("no free pair of media ports"), "{error}");
        drop(pair);
        open(here, &ports).unwrap();
    }

    #[test]
    fn a_range_without_a_pair_is_named() {
        let error = open(IpAddr::from([127, 0, 0, 1]), &(4001..=4002)).err();
        let error = error.unwrap().to_string();
        assert!(error.contains("4001-4002"), "{error}");
    }

    #[test]
    fn an_address_that_is_not_ours_is_no_full_range() {
        let error = open(IpAddr::from([192, 0, 2, 1]), &(20_000..=60_000)).err();
        let error = error.unwrap().to_string();
        assert!(error.contains("192.0.2.1"), "{error}");
    }

    #[test]
    fn ipv6_works() {
        let loopback: IpAddr = "::1".parse().unwrap();
        assert!(open(loopback, &(20_000..=60_000)).unwrap().local.is_ipv6());
    }
}
