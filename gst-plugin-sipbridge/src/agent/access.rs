// SPDX-License-Identifier: MPL-2.0
//! Who may call a listening element.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Networks that calls are accepted from. Empty: nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    networks: Vec<IpNet>,
}

/// An entry that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither an IP address nor a network such as 192.0.2.0/24")]
pub struct AccessListError(String);

impl AccessList {
    /// Reads a comma-separated list of addresses and networks.
    pub fn parse(text: &str) -> Result<AccessList, AccessListError> {
        let networks = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                entry
                    .parse::<IpNet>()
                    .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| AccessListError(entry.to_owned()))
            })
            .collect::<Result<_, _>>()?;
        Ok(AccessList { networks })
    }

    /// Whether `address` may call. An IPv4 address that a dual-stack socket reports as
    /// `::ffff:192.0.2.1` is judged as the IPv4 address it is.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

impl fmt::Display for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.networks.is_empty() {
            return f.write_str("nobody");
        }
        for (index, network) in self.networks.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, address: &str) -> bool {
        AccessList::parse(list)
            .unwrap()
            .allows(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_of_both_families() {
        assert!(allows("127.0.0.0/8, ::1", "127.1.2.3"));
        assert!(allows("127.0.0.0/8, ::1", "::1"));
        assert!(!allows("127.0.0.0/8, ::1", "192.0.2.1"));
        assert!(allows("192.0.2.1", "192.0.2.1"));
        assert!(!allows("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn an_ipv4_mapped_address_is_that_ipv4_address() {
        assert!(allows("192.0.2.0/24", "::ffff:192.0.2.9"));
    }

    #[test]
    fn an_empty_list_lets_nobody_in() {
        assert!(!allows("", "127.0.0.1"));
    }

    #[test]
    fn a_bad_entry_is_named() {
        let error = AccessList::parse("127.0.0.1, anywhere").unwrap_err();
        assert!(error.to_string().contains("\"anywhere\""));
    }
}
