// SPDX-License-Identifier: MPL-2.0
//! The sockets of a connection: two, one of them for RTCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use gst::glib;
use gst::prelude::*;

use super::PlainConfig;

/// The elements that have them.
pub(super) struct Sockets {
    rtp_in: gst::Element,
    rtcp_in: gst::Element,
    outs: Vec<(gst::Element, gst::Element)>,
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
        let rtp_in = bin.by_name("rtp_in")?;
        let rtcp_in = bin.by_name("rtcp_in")?;
        let outs = [("rtp_out", &rtp_in), ("rtcp_out", &rtcp_in)];
        let outs = outs
            .into_iter()
            .filter_map(|(name, port)| Some((bin.by_name(name)?, port.clone())))
            .collect();
        let sockets = Sockets {
            rtp_in,
            rtcp_in,
            outs,
        };
        for element in sockets.all() {
            element.set_locked_state(true);
        }
        Some(sockets)
    }

    fn all(&self) -> impl Iterator<Item = &gst::Element> {
        let outs = self.outs.iter().map(|(out, _)| out);
        [&self.rtp_in, &self.rtcp_in].into_iter().chain(outs)
    }

    pub(super) fn rtp_in(&self) -> &gst::Element {
        &self.rtp_in
    }

    pub(super) fn rtcp_in(&self) -> &gst::Element {
        &self.rtcp_in
    }

    /// The element that sends what is called so.
    pub(super) fn out(&self, name: &str) -> Option<&gst::Element> {
        let mut outs = self.outs.iter();
        outs.find(|(out, _)| out.name() == name).map(|(out, _)| out)
    }

    /// Binds the sockets, at `port` and the one above or wherever the configuration permits, and starts what
    /// has them. An error is the end of a sentence.
    pub(super) fn bind(&self, config: &PlainConfig, port: Option<u16>) -> Result<Bound, String> {
        let address = config.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let (rtp, rtcp) = match (port, &config.ports) {
            (Some(port), _) => (port, above(port)),
            (None, Some(range)) => free_pair(address, range)?,
            (None, None) => (0, 0),
        };
        let (socket, loopback) = match address {
            IpAddr::V4(_) => ("socket", IpAddr::from(Ipv4Addr::LOCALHOST)),
            IpAddr::V6(_) => ("socket-v6", IpAddr::from(Ipv6Addr::LOCALHOST)),
        };
        for (element, port) in [(&self.rtp_in, rtp), (&self.rtcp_in, rtcp)] {
            element.set_property("address", address.to_string());
            element.set_property("port", i32::from(port));
            element.set_property("reuse", false);
            if element.set_state(gst::State::Ready).is_err() {
                let at = SocketAddr::new(address, port);
                return Err(format!("port {at} cannot be bound: is it in use?"));
            }
        }
        for (out, port) in &self.outs {
            // What is sent leaves by the port at which the answer is expected.
            let bound: Option<glib::Object> = port.property("used-socket");
            out.set_property("close-socket", false);
            // Until it is told where to: its own default is of one family only, which may be the other.
            out.set_property("host", loopback.to_string());
            out.set_property_from_value(socket, &bound.to_value());
        }
        for element in self.all() {
            element.set_locked_state(false);
            element
                .sync_state_with_parent()
                .map_err(|_| format!("{} does not start", element.name()))?;
        }
        let at = |element: &gst::Element| {
            let port: i32 = element.property("port");
            u16::try_from(port).unwrap_or(0)
        };
        Ok(Bound {
            address,
            rtp: at(&self.rtp_in),
            rtcp: at(&self.rtcp_in),
        })
    }
}

/// The port for the RTCP of what has this one (RFC 3550 section 11).
pub(crate) fn above(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(0)
}

/// An even port and the one above, both free a moment ago. Begins anywhere, so that those who look at the
/// same time do not find the same.
fn free_pair(address: IpAddr, range: &RangeInclusive<u16>) -> Result<(u16, u16), String> {
    let first = range.start().next_multiple_of(2);
    let pairs = range.end().saturating_sub(first).div_ceil(2).max(1);
    let begin = rand::random::<u16>() % pairs;
    let free = |port: u16| UdpSocket::bind((address, port)).is_ok();
    (0..pairs)
        .map(|step| first + ((begin + step) % pairs) * 2)
        .find(|port| range.contains(&above(*port)) && free(*port) && free(above(*port)))
        .map(|port| (port, above(port)))
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
    use super::*;

    #[test]
    fn pairs_are_even_and_within() {
        let local = Ipv4Addr::LOCALHOST.into();
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let even = port & !1;
        assert!(free_pair(local, &(even..=even + 1)).is_err());
        assert!(free_pair(local, &(even..=even)).is_err());
        let (rtp, rtcp) = free_pair(local, &(even..=even.saturating_add(200))).unwrap();
        assert!(rtp % 2 == 0 && rtcp == rtp + 1 && rtp > even);
    }
}
