// SPDX-License-Identifier: MPL-2.0
//! Where this machine is.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The addresses from which packets to the world would leave, without sending any: documentation
/// addresses stand for the world. Others of this machine stay private (RFC 8828 section 5.2, mode 2).
pub fn leading_out() -> Vec<IpAddr> {
    let worlds: [(IpAddr, IpAddr); 2] = [
        (IpAddr::from([0, 0, 0, 0]), IpAddr::from([192, 0, 2, 1])),
        (
            IpAddr::from([0_u16; 8]),
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        ),
    ];
    worlds
        .into_iter()
        .filter_map(|(here, world)| {
            let socket = UdpSocket::bind(SocketAddr::new(here, 0)).ok()?;
            socket.connect(SocketAddr::new(world, 9)).ok()?;
            let address = socket.local_addr().ok()?.ip();
            (!address.is_unspecified() && !address.is_loopback()).then_some(address)
        })
        .collect()
}

/// What the far end is told of a local address: `advertise`, port for port, where that is of its kind (IPv4,
/// IPv6) and so what the world reaches it by.
pub fn advertised(local: SocketAddr, advertise: Option<IpAddr>) -> SocketAddr {
    let alike = advertise.filter(|address| address.is_ipv4() == local.is_ipv4());
    alike.map_or(local, |address| SocketAddr::new(address, local.port()))
}
