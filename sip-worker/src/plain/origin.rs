// SPDX-License-Identifier: MPL-2.0
//! Whose packets are taken: a port that takes them from anybody is found by those who spray all ports ("RTP bleed").

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use gst::prelude::*;
use gst_net::gio;
use gstsipbridge::leg::{Source, Verdict};

/// The sender of a flow, as far as the far end named it.
pub(super) enum Origin {
    /// Whoever has the key, wherever it is.
    Key,
    /// This host. By which of its ports it sends is its own affair: SFUs send by others than they take.
    Host(IpAddr),
    /// Not named: who proves itself first, by packets in a row, and nobody after it.
    First(Source),
}

impl Origin {
    /// Of a far end at `address`, which is unspecified where nobody said it.
    pub(super) fn of(address: IpAddr, has_key: bool) -> Origin {
        if has_key {
            return Origin::Key;
        }
        if !address.is_unspecified() {
            return Origin::Host(address.to_canonical());
        }
        let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let mut source = Source::default();
        source.describe(nowhere, nowhere, false);
        Origin::First(source)
    }

    /// Judges an RTP packet that is of the flow otherwise.
    pub(super) fn takes_rtp(&mut self, from: SocketAddr, packet: &[u8]) -> bool {
        match self {
            Origin::Key => true,
            Origin::Host(host) => from.ip().to_canonical() == *host,
            Origin::First(source) => {
                let Some(&[a, b, _, _, _, _, c, d, e, f]) = packet.get(2..12) else {
                    return false;
                };
                let (sequence, ssrc) = (u16::from_be_bytes([a, b]), [c, d, e, f]);
                let verdict = source.judge(from, u32::from_be_bytes(ssrc), sequence);
                verdict != Verdict::Foreign
            }
        }
    }

    /// Judges RTCP: who is not known by RTP yet is not known.
    pub(super) fn takes_rtcp(&mut self, from: SocketAddr) -> bool {
        match self {
            Origin::Key => true,
            Origin::Host(host) => from.ip().to_canonical() == *host,
            Origin::First(source) => source.judge_rtcp(from),
        }
    }
}

/// Where a datagram came from, as udpsrc notes it.
pub(super) fn sender(packet: &gst::BufferRef) -> Option<SocketAddr> {
    let noted = packet.meta::<gst_net::NetAddressMeta>()?.addr();
    let address = noted.downcast::<gio::InetSocketAddress>().ok()?;
    Some(address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 111];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0, 0, 0, 77]);
        packet
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_that_was_named_is_taken_by_any_port_and_no_other() {
        let mut origin = Origin::of("192.0.2.7".parse().unwrap(), false);
        for (from, taken) in [
            ("192.0.2.7:5004", true),
            ("[::ffff:192.0.2.7]:9", true),
            ("192.0.2.8:5004", false),
        ] {
            assert_eq!(origin.takes_rtp(at(from), &packet(1)), taken, "{from}");
            assert_eq!(origin.takes_rtcp(at(from)), taken, "{from}");
        }
    }

    #[test]
    fn where_nobody_was_named_the_first_to_prove_itself_stays() {
        let mut origin = Origin::of(Ipv4Addr::UNSPECIFIED.into(), false);
        let (far, stranger) = (at("192.0.2.7:5004"), at("198.51.100.6:5004"));
        assert!(!origin.takes_rtcp(far));
        // Not in a row.
        for sequence in [1, 3, 5, 7, 9, 11] {
            assert!(!origin.takes_rtp(stranger, &packet(sequence)));
        }
        let taken = (1..=10).filter(|sequence| origin.takes_rtp(far, &packet(*sequence)));
        assert_eq!(taken.count(), 7);
        assert!((1..=10).all(|sequence| !origin.takes_rtp(stranger, &packet(sequence))));
        assert!(origin.takes_rtcp(at("192.0.2.7:5005")) && !origin.takes_rtcp(stranger));
    }

    #[test]
    fn a_key_proves_more_than_an_address() {
        let mut origin = Origin::of("192.0.2.7".parse().unwrap(), true);
        assert!(origin.takes_rtp(at("198.51.100.6:1"), &packet(1)));
        assert!(origin.takes_rtcp(at("198.51.100.6:1")));
    }
}
