// SPDX-License-Identifier: MPL-2.0
use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::host::{self, Host};
use super::params::Params;
use super::scan;

/// The transport a Via names. The set is open; compared case-blind.
#[derive(Clone, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Sctp,
    Ws,
    Wss,
    /// Any other, in upper case.
    Other(Vec<u8>),
}

impl Transport {
    pub fn parse(text: &[u8]) -> Option<Transport> {
        let known = [
            Transport::Udp,
            Transport::Tcp,
            Transport::Tls,
            Transport::Sctp,
            Transport::Ws,
            Transport::Wss,
        ];
        let is = |known: &Transport| known.as_bytes().eq_ignore_ascii_case(text);
        known
            .into_iter()
            .find(is)
            .or_else(|| scan::is_token(text).then(|| Transport::Other(text.to_ascii_uppercase())))
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Transport::Udp => b"UDP",
            Transport::Tcp => b"TCP",
            Transport::Tls => b"TLS",
            Transport::Sctp => b"SCTP",
            Transport::Ws => b"WS",
            Transport::Wss => b"WSS",
            Transport::Other(text) => text,
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

/// The magic cookie of RFC 3261 §8.1.1.7.
pub const BRANCH_COOKIE: &[u8] = b"z9hG4bK";

/// One Via element.
#[derive(Clone, PartialEq, Eq)]
pub struct Via {
    pub transport: Transport,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Params,
}

impl Via {
    /// Reads one element. The error says what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Via, &'static str> {
        let (head, params) = match scan::split_once(text, b';') {
            Some((head, params)) => (
                head,
                Params::parse(params).ok_or("its parameters are malformed")?,
            ),
            None => (text, Params::new()),
        };
        let (name, rest) = scan::split_once(head, b'/').ok_or("it does not begin SIP/2.0/")?;
        let (version, rest) = scan::split_once(rest, b'/').ok_or("it does not begin SIP/2.0/")?;
        if !scan::trim(name).eq_ignore_ascii_case(b"SIP") || scan::trim(version) != b"2.0" {
            return Err("it does not begin SIP/2.0/");
        }
        let rest = scan::trim(rest);
        let end = rest
            .iter()
            .position(|o| matches!(o, b' ' | b'\t'))
            .ok_or("it has no host")?;
        let transport = Transport::parse(&rest[..end]).ok_or("its transport is malformed")?;
        let (host, port) = host::parse_host_port(scan::trim(&rest[end..]))
            .ok_or("its host or port is malformed")?;
        Ok(Via {
            transport,
            host,
            port,
            params,
        })
    }

    pub fn branch(&self) -> Option<&[u8]> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// The branch, when it is one that identifies a transaction by itself: the cookie and
    /// something after it. Without one RFC 2543's rules apply (§17.2.3).
    pub fn unique_branch(&self) -> Option<&[u8]> {
        let branch = self.branch()?;
        let cookie = branch.get(..BRANCH_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(BRANCH_COOKIE) && branch.len() > cookie.len())
            .then_some(branch)
    }

    /// The address in `received`, with or without the brackets of an IPv6 one (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let bare = text
            .strip_prefix(b"[")
            .and_then(|t| t.strip_suffix(b"]"))
            .unwrap_or(text);
        if let Some(ip) = host::ipv6(bare) {
            return Some(IpAddr::V6(ip));
        }
        str::from_utf8(bare)
            .ok()?
            .parse::<Ipv4Addr>()
            .ok()
            .map(IpAddr::V4)
    }

    /// The port in `rport=`; `None` also when `rport` stands without a value.
    pub fn rport(&self) -> Option<u16> {
        let port = scan::number(self.params.get("rport")?, u64::from(u16::MAX))?;
        Some(port as u16)
    }

    /// Whether the sender asks for symmetric response routing (RFC 3581).
    pub fn wants_rport(&self) -> bool {
        self.params.contains("rport")
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(self.transport.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.host.as_bytes());
        if let Some(port) = self.port {
            // To memory it cannot fail.
            let _ = write!(out, ":{port}");
        }
        self.params.write(&mut out);
        out
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
