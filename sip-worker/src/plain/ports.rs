// SPDX-License-Identifier: MPL-2.0
//! The sockets of a connection: two, one of them for RTCP.
//!
//! They are bound here and handed to the elements. One that an element could not bind would be told of on the
//! bus, as if the whole graph had broken, and the element would stand in the way to NULL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use gst::prelude::*;
use gst_net::gio;
use gst_net::gio::prelude::*;

use super::PlainConfig;

/// The elements that have them.
pub(super) struct Sockets {
    rtp_in: gst::Element,
    rtcp_in: gst::Element,
    rtp_out: Option<gst::Element>,
    rtcp_out: Option<gst::Element>,
}

/// Where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) address: IpAddr,
    pub(super) rtp: u16,
    pub(super) rtcp: u16,
}

impl Sockets {
    /// Takes hold of a connection's elements. They stand still until [`Sockets::bind`].
    pub(super) fn of(bin: &gst::Bin) -> Option<Sockets> {
        let sockets = Sockets {
            rtp_in: bin.by_name("rtp_in")?,
            rtcp_in: bin.by_name("rtcp_in")?,
            rtp_out: bin.by_name("rtp_out"),
            rtcp_out: bin.by_name("rtcp_out"),
        };
        for element in sockets.all() {
            element.set_locked_state(true);
        }
        Some(sockets)
    }

    fn all(&self) -> impl Iterator<Item = &gst::Element> {
        let outs = self.rtp_out.iter().chain(&self.rtcp_out);
        [&self.rtp_in, &self.rtcp_in].into_iter().chain(outs)
    }

    pub(super) fn rtp_in(&self) -> &gst::Element {
        &self.rtp_in
    }

    pub(super) fn rtcp_in(&self) -> &gst::Element {
        &self.rtcp_in
    }

    pub(super) fn rtp_out(&self) -> Option<&gst::Element> {
        self.rtp_out.as_ref()
    }

    pub(super) fn rtcp_out(&self) -> Option<&gst::Element> {
        self.rtcp_out.as_ref()
    }

    /// Binds the sockets, at `port` and the one above or wherever the configuration permits, and starts what
    /// has them. An error is the end of a sentence; then nothing is bound.
    pub(super) fn bind(&self, config: &PlainConfig, port: Option<u16>) -> Result<Bound, String> {
        let address = config.local();
        let [rtp, rtcp] = match (port, &config.ports) {
            (Some(port), _) => [socket(address, port)?, socket(address, above(port))?],
            (None, Some(range)) => free_pair(address, range)?,
            (None, None) => [socket(address, 0)?, socket(address, 0)?],
        };
        let bound = Bound {
            address,
            rtp: port_of(&rtp)?,
            rtcp: port_of(&rtcp)?,
        };
        let (socket_of_kind, loopback) = match address {
            IpAddr::V4(_) => ("socket", IpAddr::from(Ipv4Addr::LOCALHOST)),
            IpAddr::V6(_) => ("socket-v6", IpAddr::from(Ipv6Addr::LOCALHOST)),
        };
        // udpsrc closes it on its way to NULL.
        self.rtp_in.set_property("socket", &rtp);
        self.rtcp_in.set_property("socket", &rtcp);
        for (out, socket) in [(&self.rtp_out, &rtp), (&self.rtcp_out, &rtcp)] {
            let Some(out) = out else { continue };
            // What is sent leaves by the port at which the answer is expected.
            out.set_property("close-socket", false);
            // Until it is told where to: its own default is of one family only, which may be the other.
            out.set_property("host", loopback.to_string());
            out.set_property(socket_of_kind, socket);
        }
        self.start().inspect_err(|_| self.stop())?;
        Ok(bound)
    }

    fn start(&self) -> Result<(), String> {
        for element in self.all() {
            element.set_locked_state(false);
            element
                .sync_state_with_parent()
                .map_err(|_| format!("{} does not start", element.name()))?;
        }
        Ok(())
    }

    fn stop(&self) {
        for element in self.all() {
            element.set_locked_state(true);
            // On the way down nothing fails.
            let _ = element.set_state(gst::State::Null);
        }
    }
}

/// The port for the RTCP of what has this one (RFC 3550 section 11).
pub(crate) fn above(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(0)
}

fn socket(address: IpAddr, port: u16) -> Result<gio::Socket, String> {
    let family = match address {
        IpAddr::V4(_) => gio::SocketFamily::Ipv4,
        IpAddr::V6(_) => gio::SocketFamily::Ipv6,
    };
    let (datagrams, udp) = (gio::SocketType::Datagram, gio::SocketProtocol::Udp);
    let place = gio::InetSocketAddress::from(SocketAddr::new(address, port));
    let socket = gio::Socket::new(family, datagrams, udp)
        .and_then(|socket| socket.bind(&place, false).map(|()| socket));
    socket.map_err(|error| error.message().to_owned())
}

fn port_of(socket: &gio::Socket) -> Result<u16, String> {
    let place = socket
        .local_address()
        .map_err(|error| error.message().to_owned())?;
    let place = place.downcast::<gio::InetSocketAddress>();
    place
        .map(|place| place.port())
        .map_err(|_| "a socket has no port".to_owned())
}

/// An even port and the one above. Begins anywhere, so that those who look at the same time do not meet again
/// and again.
fn free_pair(address: IpAddr, range: &RangeInclusive<u16>) -> Result<[gio::Socket; 2], String> {
    let first = range.start().next_multiple_of(2);
    let pairs = range.end().saturating_sub(first).div_ceil(2).max(1);
    let begin = rand::random::<u16>() % pairs;
    (0..pairs)
        .map(|step| first + ((begin + step) % pairs) * 2)
        .filter(|port| range.contains(&above(*port)))
        .find_map(|port| {
            Some([
                socket(address, port).ok()?,
                socket(address, above(port)).ok()?,
            ])
        })
        .ok_or_else(|| {
            format!(
                "no two ports from {} to {} are free",
                range.start(),
                range.end()
            )
        })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn pairs_are_even_and_within() {
        let taken = UdpSocket::bind((LOCAL, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let even = port & !1;
        assert!(free_pair(LOCAL, &(even..=even + 1)).is_err());
        assert!(free_pair(LOCAL, &(even..=even)).is_err());
        let pair = free_pair(LOCAL, &(even..=even.saturating_add(200))).unwrap();
        let [rtp, rtcp] = pair.map(|socket| port_of(&socket).unwrap());
        assert!(rtp % 2 == 0 && rtcp == rtp + 1 && rtp > even);
    }

    #[test]
    fn a_connection_whose_ports_are_not_free_leaves_none_of_them_bound() {
        gst::init().unwrap();
        let text = "udpsrc name=rtp_in ! fakesink udpsrc name=rtcp_in ! fakesink fakesrc ! udpsink name=rtcp_out";
        let bin = gst::parse::bin_from_description(text, false).unwrap();
        let bus = gst::Bus::new();
        bin.set_bus(Some(&bus));
        let sockets = Sockets::of(&bin).unwrap();
        let [rtp, _taken] = free_pair(LOCAL, &(20_000..=60_000)).unwrap();
        let port = port_of(&rtp).unwrap();
        drop(rtp);
        let config = PlainConfig {
            address: Some(LOCAL),
            ..PlainConfig::default()
        };
        let said = sockets.bind(&config, Some(port)).unwrap_err();
        assert!(said.contains(&(port + 1).to_string()), "{said}");
        UdpSocket::bind((LOCAL, port)).unwrap();
        for element in sockets.all() {
            assert_eq!(
                element.current_state(),
                gst::State::Null,
                "{}",
                element.name()
            );
        }
        // Whoever watches the graph would take it for broken.
        assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    }
}
