// SPDX-License-Identifier: MPL-2.0
//! From a URI to servers (RFC 3263): what is asked for, and what comes of the answers.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

#[path = "../../../tests/kit/name_server.rs"]
mod name_server;
mod naptr;
mod over_loopback;
mod service_route;
mod srv;
mod without_records;

use std::collections::BTreeMap;
use std::net::IpAddr;

use sip_ua::resolve::{Naptr, Query, Records, Resolution, ResolveError, Srv};
use sip_ua::transport::{Hop, Transport};

const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// What name servers know.
#[derive(Default)]
pub struct Zone {
    naptr: BTreeMap<String, Vec<Naptr>>,
    srv: BTreeMap<String, Vec<Srv>>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    /// Names that nobody answers for.
    silent: Vec<String>,
    /// Everything that was asked, in order.
    asked: Vec<Query>,
}

impl Zone {
    pub fn naptr(mut self, name: &str, order: u16, preference: u16, to: [&str; 2]) -> Zone {
        self.naptr.entry(name.to_owned()).or_default().push(Naptr {
            order,
            preference,
            flags: "s".to_owned(),
            service: to[0].to_owned(),
            replacement: to[1].to_owned(),
        });
        self
    }

    pub fn srv(mut self, name: &str, priority: u16, target: &str, port: u16) -> Zone {
        self.srv.entry(name.to_owned()).or_default().push(Srv {
            priority,
            weight: 0,
            port,
            target: target.to_owned(),
        });
        self
    }

    pub fn address(mut self, name: &str, ip: &str) -> Zone {
        let ips = self.addresses.entry(name.to_owned()).or_default();
        ips.push(ip.parse().unwrap());
        self
    }

    pub fn silent(mut self, name: &str) -> Zone {
        self.silent.push(name.to_owned());
        self
    }

    fn answer(&self, query: &Query) -> Result<Records, String> {
        let (Query::Naptr(name) | Query::Srv(name) | Query::Addresses(name)) = query;
        if self.silent.contains(name) {
            return Err("request timed out".to_owned());
        }
        Ok(match query {
            Query::Naptr(_) => Records::Naptr(self.naptr.get(name).cloned().unwrap_or_default()),
            Query::Srv(_) => Records::Srv(self.srv.get(name).cloned().unwrap_or_default()),
            Query::Addresses(_) => {
                let found = self.addresses.get(name).cloned();
                Records::Addresses(found.unwrap_or_default())
            }
        })
    }

    pub fn hops(&mut self, uri: &str, spoken: &[Transport]) -> Result<Vec<Hop>, ResolveError> {
        let mut resolution = Resolution::new(&uri.parse().unwrap(), spoken, 1);
        loop {
            if let Some(found) = resolution.poll_hops() {
                return found;
            }
            let query = resolution.poll_query().expect("something is asked for");
            let answer = self.answer(&query);
            resolution.answer(&query, answer);
            self.asked.push(query);
        }
    }

    /// `udp:192.0.2.1:5060`, one after the other.
    pub fn found(&mut self, uri: &str) -> Vec<String> {
        let hops = self.hops(uri, &ALL);
        hops.unwrap().iter().map(Hop::to_string).collect()
    }
}
