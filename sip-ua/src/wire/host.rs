// SPDX-License-Identifier: MPL-2.0
use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

/// A host as it was written: a name, an IPv4 address or an IPv6 reference in brackets.
#[derive(Clone)]
pub struct Host {
    /// In place where it is short, as IPv4 addresses are: each message holds half a dozen hosts.
    text: SmallVec<[u8; 16]>,
    ip: Option<IpAddr>,
}

impl Host {
    /// Reads a host without a port. An IPv6 address must stand in brackets.
    pub fn parse(text: &[u8]) -> Option<Host> {
        let ip = match text {
            [b'[', inner @ .., b']'] => Some(IpAddr::V6(ipv6(inner)?)),
            _ => {
                let named = |o: &u8| o.is_ascii_alphanumeric() || b"-._".contains(o);
                if text.is_empty() || !text.iter().all(named) {
                    return None;
                }
                str::from_utf8(text)
                    .ok()?
                    .parse::<Ipv4Addr>()
                    .ok()
                    .map(IpAddr::V4)
            }
        };
        Some(Host {
            text: text.into(),
            ip,
        })
    }

    /// The host of a URI that has none, such as `tel:`.
    pub(super) fn none() -> Host {
        Host {
            text: SmallVec::new(),
            ip: None,
        }
    }

    /// As it is written, brackets included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The address, when the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Where to send what is for that address: an IPv4-mapped one is the IPv4 address that it holds
    /// (RFC 5118 §4.9), for no socket of ours speaks both families.
    pub fn ip_to_reach(&self) -> Option<IpAddr> {
        self.ip.map(|ip| ip.to_canonical())
    }
}

/// An address without its brackets. RFC 3261's grammar lets a third colon stand in front of an
/// embedded IPv4 address; RFC 5118 §4.10 asks readers to bear it.
pub(super) fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let text = str::from_utf8(text).ok()?;
    text.parse().ok().or_else(|| {
        let (head, tail) = text.split_once(":::")?;
        tail.parse::<Ipv4Addr>().ok()?;
        format!("{head}::{tail}").parse().ok()
    })
}

/// `host[:port]`, blanks allowed round the colon as a Via may have them.
pub(super) fn parse_host_port(text: &[u8]) -> Option<(Host, Option<u16>)> {
    let host_end = match text.first()? {
        b'[' => memchr::memchr(b']', text)? + 1,
        _ => memchr::memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host_end);
    let host = Host::parse(super::scan::trim(host))?;
    let rest = super::scan::trim(rest);
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = super::scan::trim(rest.strip_prefix(b":")?);
    let port = super::scan::number(digits, u64::from(u16::MAX))?;
    Some((host, Some(port as u16)))
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        let mut text = SmallVec::new();
        // To memory it cannot fail.
        let _ = match ip {
            IpAddr::V4(ip) => write!(text, "{ip}"),
            IpAddr::V6(ip) => write!(text, "[{ip}]"),
        };
        Host { text, ip: Some(ip) }
    }
}

/// Names compare case-blind, addresses by their value.
impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        match (self.ip, other.ip) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.text.eq_ignore_ascii_case(&other.text),
            _ => false,
        }
    }
}

impl Eq for Host {}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
