// SPDX-License-Identifier: MPL-2.0
//! A pair of ports for RTP and RTCP.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Instant;

use super::api::MediaError;
use super::pace::Wire;
use crate::context::{Cx, stamp_arrivals};
use crate::leg::{Datagram, Leg};

/// The tokens of the two, counted from the pair's first.
pub(super) const RTP: usize = 0;
pub(super) const RTCP: usize = 1;

/// The two sockets of a call and where they are.
pub(super) struct Pair {
    pub(super) sockets: Sockets,
    pub(super) local: SocketAddr,
}

/// The two sockets of a call, non-blocking.
pub(super) struct Sockets {
    rtp: Watched,
    rtcp: Watched,
}

struct Watched {
    socket: mio::net::UdpSocket,
    /// The context says when something comes.
    watched: bool,
}

impl Watched {
    fn watch(&mut self, cx: &mut Cx<'_>, token: usize) -> std::io::Result<()> {
        if !self.watched {
            cx.register(&mut self.socket, token)?;
            self.watched = true;
        }
        Ok(())
    }

    fn unwatch(&mut self, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.watched)
            && let Err(error) = cx.deregister(&mut self.socket)
        {
            // A new context says so too if it then cannot watch it.
            tracing::debug!(%error, "a media socket was not watched");
        }
    }
}

impl Sockets {
    /// Has the task called when something comes; the tokens are `first` + [`RTP`] and + [`RTCP`].
    pub(super) fn watch(&mut self, cx: &mut Cx<'_>, first: usize) -> std::io::Result<()> {
        self.rtp.watch(cx, first + RTP)?;
        self.rtcp.watch(cx, first + RTCP)
    }

    pub(super) fn unwatch(&mut self, cx: &mut Cx<'_>) {
        self.rtp.unwatch(cx);
        self.rtcp.unwatch(cx);
    }

    /// As [`Sockets::watch`], from token 0 on, for who looks for RTP itself ([`Sockets::read`]): has the
    /// task called when RTCP comes.
    pub(super) fn watch_rtcp(&mut self, cx: &mut Cx<'_>) -> std::io::Result<()> {
        self.rtp.unwatch(cx);
        self.rtcp.watch(cx, RTCP)
    }

    /// Gives the leg what came by one of them. True: there may be more.
    pub(super) fn read(&self, which: usize, cx: &mut Cx<'_>, leg: &mut Leg) -> bool {
        if which == RTP {
            return self.read_rtp(cx, |at, from, bytes| leg.receive_rtp(at, from, bytes));
        }
        let now = cx.now();
        cx.inbox().read(&self.rtcp.socket, now, |at, from, bytes| {
            leg.receive_rtcp(at, from, bytes);
        })
    }

    /// Hands over what came by the socket of RTP. True: there may be more.
    pub(super) fn read_rtp(
        &self,
        cx: &mut Cx<'_>,
        take: impl FnMut(Instant, SocketAddr, &[u8]),
    ) -> bool {
        let now = cx.now();
        cx.inbox().read(&self.rtp.socket, now, take)
    }

    /// Sends RTCP.
    pub(super) fn report(&self, muxed: bool, datagram: Datagram<'_>) {
        let watched = if muxed { &self.rtp } else { &self.rtcp };
        send(&watched.socket, datagram);
    }
}

impl Wire for Sockets {
    fn send(&mut self, datagram: Datagram<'_>) {
        send(&self.rtp.socket, datagram);
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

fn bind(address: SocketAddr) -> std::io::Result<Watched> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    stamp_arrivals(&socket)?;
    Ok(Watched {
        socket: mio::net::UdpSocket::from_std(socket),
        watched: false,
    })
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
