// SPDX-License-Identifier: MPL-2.0
//! Name servers and the file of hosts, for [`Resolution`]s.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};

use crate::resolve::{Naptr, Query, Records, Resolution, ResolveError, Srv};
use crate::transport::{Hop, Transport};
use crate::wire::Uri;

/// How long a name server may take before it is asked again, and how often it is.
const PATIENCE: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 3;

/// How long it may take to find the servers of a URI, over all queries.
const ALTOGETHER: Duration = Duration::from_secs(8);

/// How many places are remembered with the servers that were found last.
const REMEMBERED: usize = 256;

/// Finds the servers of URIs. Clones share what they know.
#[derive(Clone)]
pub(super) struct Names {
    inner: Arc<Inner>,
}

struct Inner {
    /// Empty: those of the system.
    servers: Vec<SocketAddr>,
    /// What our listeners speak.
    spoken: Vec<Transport>,
    /// Made when the first name is looked up: many agents never see one.
    resolver: OnceLock<Option<TokioResolver>>,
    hosts: OnceLock<Hosts>,
    known: Mutex<HashMap<String, Vec<Hop>>>,
}

impl Names {
    pub(super) fn new(servers: Vec<SocketAddr>, listeners: &[Hop]) -> Names {
        let mut spoken: Vec<Transport> = listeners.iter().map(|hop| hop.transport).collect();
        // Nobody needs a certificate to connect.
        spoken.push(Transport::Tls);
        Names {
            inner: Arc::new(Inner {
                servers,
                spoken,
                resolver: OnceLock::new(),
                hosts: OnceLock::new(),
                known: Mutex::default(),
            }),
        }
    }

    /// The same as [`resolve`](Self::resolve), if nothing has to be looked up.
    pub(super) fn at_once(&self, uri: &Uri) -> Option<Result<Vec<Hop>, String>> {
        let found = Resolution::new(uri, &self.inner.spoken, 0).poll_hops()?;
        Some(found.map_err(|error| error.to_string()))
    }

    /// The servers that a URI leads to, best first; at least one.
    pub(super) async fn resolve(&self, uri: &Uri) -> Result<Vec<Hop>, String> {
        if let Some(found) = self.at_once(uri) {
            return found;
        }
        let mut resolution = Resolution::new(uri, &self.inner.spoken, rand::random());
        let found = tokio::time::timeout(ALTOGETHER, self.run(&mut resolution)).await;
        let found = found.unwrap_or_else(|_| {
            Err(ResolveError::Unanswered(format!(
                "the host {} was not found: the name servers did not answer within {} s",
                uri.host,
                ALTOGETHER.as_secs()
            )))
        });
        let mut known = self.known();
        let key = place_of(uri);
        match found {
            Ok(found) => {
                if known.len() >= REMEMBERED && !known.contains_key(&key) {
                    known.clear();
                }
                known.insert(key, found.clone());
                Ok(found)
            }
            // What was true before is better than no call.
            Err(ResolveError::Unanswered(why)) => match known.get(&key) {
                Some(before) => {
                    tracing::warn!(why, "the servers that were found before are taken");
                    Ok(before.clone())
                }
                None => Err(why),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Hop>>> {
        let known = self.inner.known.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    /// What a URI led to when it was looked up last, or leads to without being looked up.
    pub(super) fn found_last(&self, uri: &Uri) -> Vec<Hop> {
        match self.at_once(uri) {
            Some(found) => found.unwrap_or_default(),
            None => self
                .known()
                .get(&place_of(uri))
                .cloned()
                .unwrap_or_default(),
        }
    }

    async fn run(&self, resolution: &mut Resolution) -> Result<Vec<Hop>, ResolveError> {
        loop {
            if let Some(found) = resolution.poll_hops() {
                return found;
            }
            let queries: Vec<Query> = std::iter::from_fn(|| resolution.poll_query()).collect();
            if queries.is_empty() {
                let why = "the name servers gave no usable answer".to_owned();
                return Err(ResolveError::Unanswered(why));
            }
            let answers = join_all(queries.iter().map(|query| self.ask(query))).await;
            for (query, answer) in queries.iter().zip(answers) {
                tracing::debug!(?query, ?answer, "looked up");
                resolution.answer(query, answer);
            }
        }
    }

    async fn ask(&self, query: &Query) -> Result<Records, String> {
        let (Query::Naptr(name) | Query::Srv(name) | Query::Addresses(name)) = query;
        if let Some(records) = self.hosts().records(query, name) {
            return Ok(records);
        }
        let resolver = self.resolver().ok_or("no name server is known")?;
        let empty = |error: &NetError| error.is_no_records_found() || error.is_nx_domain();
        let found = |result: Result<Vec<RData>, NetError>| match result {
            Ok(records) => Ok(records),
            Err(error) if empty(&error) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        };
        let look_up = async |kind| {
            let found = resolver.lookup(name.as_str(), kind).await;
            found.map(|lookup| {
                let records = lookup.answers().iter();
                records.map(|record| record.data.clone()).collect()
            })
        };
        Ok(match query {
            Query::Naptr(_) => {
                let records = found(look_up(RecordType::NAPTR).await)?;
                Records::Naptr(records.iter().filter_map(naptr).collect())
            }
            Query::Srv(_) => {
                let records = found(look_up(RecordType::SRV).await)?;
                Records::Srv(records.iter().filter_map(srv).collect())
            }
            Query::Addresses(_) => {
                let addresses = resolver.lookup_ip(name.as_str()).await;
                let addresses = addresses.map(|lookup| lookup.iter().map(RData::from).collect());
                let addresses = found(addresses)?;
                Records::Addresses(addresses.iter().filter_map(RData::ip_addr).collect())
            }
        })
    }

    fn hosts(&self) -> Written<'_> {
        Written(self.inner.hosts.get_or_init(|| {
            Hosts::from_system().unwrap_or_else(|error| {
                tracing::warn!(%error, "the system's hosts file cannot be read");
                Hosts::default()
            })
        }))
    }

    fn resolver(&self) -> Option<&TokioResolver> {
        let make = || match self.build() {
            Ok(resolver) => Some(resolver),
            Err(error) => {
                tracing::warn!(%error, "no name servers: look at /etc/resolv.conf or `nameservers`");
                None
            }
        };
        self.inner.resolver.get_or_init(make).as_ref()
    }

    fn build(&self) -> Result<TokioResolver, NetError> {
        let (config, mut options) = match self.inner.servers.as_slice() {
            [] => system_conf::read_system_conf()?,
            servers => {
                let servers = servers.iter().map(name_server).collect();
                let config = ResolverConfig::from_name_servers(servers);
                (config, ResolverOpts::default())
            }
        };
        options.timeout = options.timeout.min(PATIENCE);
        options.attempts = options.attempts.max(ATTEMPTS);
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = options;
        builder.build()
    }
}

/// What of a URI counts for where it leads, and not for whom it means there.
fn place_of(uri: &Uri) -> String {
    let mut place = Uri::sip(None, uri.host.clone(), uri.port);
    place.scheme.clone_from(&uri.scheme);
    for name in ["transport", "maddr"] {
        if let Some(value) = uri.params.get(name) {
            place.params.set(name, value);
        }
    }
    place.to_string()
}

/// What the system's hosts file says. A name that stands there is that of a server: nothing else is
/// asked about it.
struct Written<'a>(&'a Hosts);

impl Written<'_> {
    fn records(&self, query: &Query, name: &str) -> Option<Records> {
        let addresses = self.addresses(name)?;
        Some(match query {
            Query::Naptr(_) => Records::Naptr(Vec::new()),
            Query::Srv(_) => Records::Srv(Vec::new()),
            Query::Addresses(_) => Records::Addresses(addresses),
        })
    }

    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        // Of `_sip._udp.example.org` too.
        let host = name
            .rsplit_once("._udp.")
            .or_else(|| name.rsplit_once("._tcp."));
        let host = host.map_or(name, |(_, host)| host);
        let name = Name::from_utf8(host.to_ascii_lowercase()).ok()?;
        if name.is_localhost() {
            return Some(vec![
                [127, 0, 0, 1].into(),
                IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ]);
        }
        let kinds = [RecordType::AAAA, RecordType::A].into_iter();
        let found = kinds.filter_map(|kind| {
            let query = hickory_resolver::proto::op::Query::query(name.clone(), kind);
            self.0.lookup_static_host(&query)
        });
        let addresses: Vec<IpAddr> = found
            .flat_map(|lookup| {
                let records = lookup.answers().iter();
                let addresses = records.filter_map(|record| record.data.ip_addr());
                addresses.collect::<Vec<_>>()
            })
            .collect();
        (!addresses.is_empty()).then_some(addresses)
    }
}

fn name_server(addr: &SocketAddr) -> NameServerConfig {
    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = addr.port();
    }
    NameServerConfig::new(addr.ip(), true, connections.to_vec())
}

fn naptr(record: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = record else {
        return None;
    };
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        service: text(&record.services),
        replacement: record.replacement.to_utf8(),
    })
}

fn srv(record: &RData) -> Option<Srv> {
    let RData::SRV(record) = record else {
        return None;
    };
    Some(Srv {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: record.target.to_utf8(),
    })
}
