// SPDX-License-Identifier: MPL-2.0
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Who asks: an IPv4 address, or the 64 bits of an IPv6 address that name its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

impl Source {
    pub fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            ip => ip,
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

/// It is neither an address nor an IPv6 network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither an IP address nor an IPv6 network such as 2001:db8::/64")]
pub struct NoSource;

/// As it is shown, or any address of it.
impl FromStr for Source {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Source, NoSource> {
        let (address, network) = match text.strip_suffix("/64") {
            Some(address) => (address, true),
            None => (text, false),
        };
        let address: IpAddr = address.parse().map_err(|_| NoSource)?;
        match address.to_canonical().is_ipv4() && network {
            true => Err(NoSource),
            false => Ok(Source::of(address)),
        }
    }
}
