// SPDX-License-Identifier: MPL-2.0
//! Where media may go.
//!
//! SDP is written by a stranger. Without this rule it could aim our RTP at services of this machine
//! or of its local network (loopback, the metadata address of a cloud), or at a group of hosts.

use std::net::IpAddr;

/// The far end's SDP names an address that no media may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the SDP asks for media to {media}, {class}, while its sender is {peer}")]
pub struct MediaAddressError {
    media: IpAddr,
    class: &'static str,
    peer: IpAddr,
}

/// Whether media may go to `media` when SIP is spoken with `peer`: loopback and link-local addresses
/// only if the peer's own address is of the same kind, multicast and unspecified ones never.
pub fn check(media: IpAddr, peer: IpAddr) -> Result<(), MediaAddressError> {
    let media = media.to_canonical();
    let peer = peer.to_canonical();
    let refuse = |class| Err(MediaAddressError { media, class, peer });
    match kind(media) {
        Kind::Ordinary => Ok(()),
        Kind::Loopback if kind(peer) == Kind::Loopback => Ok(()),
        Kind::LinkLocal if kind(peer) == Kind::LinkLocal => Ok(()),
        Kind::Loopback => refuse("a loopback address"),
        Kind::LinkLocal => refuse("a link-local address"),
        Kind::Metadata => refuse("a cloud's metadata address"),
        Kind::Multicast => refuse("a multicast or broadcast address"),
        Kind::Unspecified => refuse("no address"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Loopback,
    LinkLocal,
    Metadata,
    Multicast,
    Unspecified,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) if v4.octets() == [169, 254, 169, 254] => Kind::Metadata,
        // 100.100.100.200 and 192.0.0.192 serve metadata in two large clouds.
        IpAddr::V4(v4) if [[100, 100, 100, 200], [192, 0, 0, 192]].contains(&v4.octets()) => {
            Kind::Metadata
        }
        IpAddr::V4(v4) if v4.is_loopback() => Kind::Loopback,
        IpAddr::V4(v4) if v4.is_link_local() => Kind::LinkLocal,
        IpAddr::V4(v4) if v4.is_multicast() || v4.is_broadcast() => Kind::Multicast,
        // All of 0.0.0.0/8 is "this host" (RFC 1122 section 3.2.1.3).
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Kind::Unspecified,
        IpAddr::V6(v6) if v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Kind::Metadata,
        IpAddr::V6(v6) if v6.is_loopback() => Kind::Loopback,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Kind::LinkLocal,
        IpAddr::V6(v6) if v6.is_multicast() => Kind::Multicast,
        IpAddr::V6(v6) if v6.is_unspecified() => Kind::Unspecified,
        IpAddr::V4(_) | IpAddr::V6(_) => Kind::Ordinary,
    }
}

/// Whether media that one of them may ask for the other may ask for too.
pub(crate) fn are_alike(one: IpAddr, other: IpAddr) -> bool {
    kind(one.to_canonical()) == kind(other.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(media: &str, peer: &str) -> bool {
        check(media.parse().unwrap(), peer.parse().unwrap()).is_ok()
    }

    #[test]
    fn ordinary_addresses_need_not_be_the_peers_own() {
        assert!(allowed("198.51.100.7", "203.0.113.1"));
        assert!(allowed("10.0.0.9", "203.0.113.1"));
        assert!(allowed("2001:db8::7", "203.0.113.1"));
    }

    #[test]
    fn loopback_and_link_local_need_a_peer_of_their_kind() {
        assert!(allowed("127.0.0.1", "127.0.0.1"));
        assert!(allowed("::1", "127.0.0.1"));
        assert!(!allowed("127.0.0.1", "203.0.113.1"));
        assert!(!allowed("::ffff:127.0.0.1", "203.0.113.1"));
        assert!(allowed("169.254.3.4", "169.254.9.9"));
        assert!(!allowed("fe80::1", "127.0.0.1"));
    }

    #[test]
    fn metadata_multicast_and_nothing_are_refused_to_all() {
        for peer in ["127.0.0.1", "169.254.1.1", "203.0.113.1"] {
            for media in [
                "169.254.169.254",
                "fd00:ec2::254",
                "224.0.0.1",
                "ff02::1",
                "0.0.0.0",
                "0.1.2.3",
                "255.255.255.255",
                "::",
            ] {
                assert!(!allowed(media, peer), "{media} for {peer}");
            }
        }
    }
}
