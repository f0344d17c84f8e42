// SPDX-License-Identifier: MPL-2.0
//! A pair of ports for RTP and RTCP.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use super::api::MediaError;

/// The two sockets of a call, non-blocking.
pub(super) struct Pair {
    pub(super) rtp: mio::net::UdpSocket,
    pub(super) rtcp: mio::net::UdpSocket,
    pub(super) local: SocketAddr,
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
                return Ok(Pair {
                    rtp,
                    rtcp: bound.map_err(failed)?,
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
