// SPDX-License-Identifier: MPL-2.0
//! RTP without WebRTC: a [`Peer`] drives the `rtpbin`, `udpsrc` and `udpsink` of a media graph.
//!
//! A connection is a plain bin of the graph's text, which holds one `rtpbin` and four elements of these names:
//! `rtp_in` and `rtcp_in` (udpsrc), `rtp_out` and `rtcp_out` (udpsink; a track needs no `rtp_out`). What is
//! sent leaves by the ports at which the answer comes in, so that far ends that go by what reaches them find
//! us. One flow goes through each connection, in one direction, with reports in both.
//!
//! Where to, by which payload type and SSRC and with which keys is settled by a [`Description`], and set as
//! properties; until then nothing passes. SRTP is the telephone side's own ([`gstsipbridge::srtp::Srtp`]):
//! libsrtp as Debian builds it costs more and cannot be told to do nothing.

mod description;
mod origin;
mod peer;
mod ports;
mod stats;
#[cfg(test)]
mod tests;
mod wire;

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use gst::prelude::*;
use sip_ua::sdp::Suite;

pub use description::{Description, Unreadable};
pub use peer::{Peer, Probe};
pub(crate) use ports::above;

/// The elements of a connection that have sockets.
pub(crate) const SOCKETS: [&str; 4] = ["rtp_in", "rtcp_in", "rtp_out", "rtcp_out"];

/// The payload type of Opus unless something else is settled.
pub const OPUS: u8 = 111;

/// Whether there is such a payload type, and it can be told from RTCP that comes to the same port (RFC 5761
/// section 4).
pub fn is_payload_type(number: impl Into<i64>) -> bool {
    matches!(number.into(), 0..=63 | 96..=127)
}

/// What is configured for plain connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainConfig {
    /// The local address of all sockets; none: any of IPv4.
    pub address: Option<IpAddr>,
    /// Where ports may be; none: wherever the system likes.
    pub ports: Option<RangeInclusive<u16>>,
    /// What we send, and expect, unless the far end says otherwise.
    pub payload_type: u8,
    /// Everything is encrypted, by this.
    pub suite: Option<Suite>,
}

impl Default for PlainConfig {
    fn default() -> Self {
        PlainConfig {
            address: None,
            ports: None,
            payload_type: OPUS,
            suite: None,
        }
    }
}

impl PlainConfig {
    /// Where sockets are bound.
    pub fn local(&self) -> IpAddr {
        self.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// Whether an element of a graph is such a connection.
pub fn is_one(element: &gst::Element) -> bool {
    factory_of(element) == "bin"
}

/// Why a graph's bin cannot be a connection, as the end of a sentence.
pub fn misfit(element: &gst::Element) -> Option<String> {
    let Some(bin) = element.downcast_ref::<gst::Bin>() else {
        return Some("which is no bin".to_owned());
    };
    if rtpbin(bin).is_none() {
        return Some("which is a bin without an rtpbin in it".to_owned());
    }
    let sends = !element.sink_pads().is_empty();
    let wanted = [
        ("rtp_in", "udpsrc", true),
        ("rtcp_in", "udpsrc", true),
        ("rtcp_out", "udpsink", true),
        ("rtp_out", "udpsink", sends),
    ];
    wanted.into_iter().find_map(|(name, factory, needed)| {
        let fits = match bin.by_name(name) {
            Some(found) => factory_of(&found) == factory,
            None => !needed,
        };
        (!fits).then(|| format!("which is a bin without a {factory} of the name {name} in it"))
    })
}

fn rtpbin(bin: &gst::Bin) -> Option<gst::Element> {
    let mut found = bin.iterate_all_by_element_factory_name("rtpbin");
    found.next().ok().flatten()
}

fn factory_of(element: &gst::Element) -> String {
    let factory = element.factory();
    factory.map_or_else(String::new, |factory| factory.name().to_string())
}
