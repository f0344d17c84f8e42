// SPDX-License-Identifier: MPL-2.0
//! One URI's way through DNS (RFC 3263 §4.1 and §4.2).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::order::ordered;
use super::{Naptr, Query, Records, Srv};
use crate::transport::{Domain, Hop, Proof, Transport};
use crate::wire::{Host, Scheme, Uri};

/// More servers than this are not tried; whoever publishes more has made a mistake.
const MAX_HOPS: usize = 16;

/// As many SRV names are followed of all that NAPTR records tell.
const MAX_NAMES: usize = 4;

/// Which transport is taken where DNS offers several and prefers none.
const PREFERRED: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// Why a URI leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It never will: the sentence says why.
    #[error("{0}")]
    Unusable(String),
    /// Name servers say that there is nobody.
    #[error("{0}")]
    Nobody(String),
    /// Name servers did not answer, or not in a way that helps.
    #[error("{0}")]
    Unanswered(String),
}

/// The servers that a URI leads to, being found out.
#[derive(Debug)]
pub struct Resolution {
    /// As the URI writes it, for people, and what a certificate must name (RFC 5922 §4).
    host: String,
    /// The URI allows nothing less than TLS.
    secure: bool,
    spoken: Vec<Transport>,
    rng: StdRng,
    step: Step,
    asked: Vec<Query>,
    /// Asked for and not answered.
    open: usize,
    /// What a name server failed with last.
    failure: Option<String>,
}

#[derive(Debug)]
enum Step {
    /// The target's NAPTR records will tell the transport.
    Naptr {
        target: String,
    },
    Srv {
        target: String,
        /// Best first.
        names: Vec<(Transport, String)>,
        found: BTreeMap<String, Vec<Srv>>,
        /// Several names are several transports to choose from; otherwise all of them count.
        choose: bool,
    },
    Addresses {
        wanted: Vec<(Transport, String, u16)>,
        found: BTreeMap<String, Vec<IpAddr>>,
    },
    Over(Result<Vec<Hop>, ResolveError>),
}

impl Resolution {
    /// `spoken` are the transports that we could take; `seed` decides between servers of equal rank.
    pub fn new(uri: &Uri, spoken: &[Transport], seed: u64) -> Resolution {
        let mut this = Resolution {
            host: uri.host.to_string(),
            secure: uri.scheme == Scheme::Sips,
            spoken: spoken.to_vec(),
            rng: StdRng::seed_from_u64(seed),
            step: Step::Over(Ok(Vec::new())),
            asked: Vec::new(),
            open: 0,
            failure: None,
        };
        if let Err(why) = this.begin(uri) {
            this.step = Step::Over(Err(ResolveError::Unusable(why)));
        }
        this
    }

    fn begin(&mut self, uri: &Uri) -> Result<(), String> {
        let asked = transport_of(uri)?;
        let target = match uri.params.get("maddr") {
            Some(maddr) => {
                Host::parse(maddr).ok_or_else(|| format!("the maddr of {uri} is no host"))?
            }
            None => uri.host.clone(),
        };
        let transport = asked.unwrap_or(self.plain());
        let name = target.to_string().to_ascii_lowercase();
        if let Some(ip) = target.ip_to_reach() {
            let port = uri.port.unwrap_or(transport.default_port());
            let hop = self.hop(transport, SocketAddr::new(ip, port));
            self.step = Step::Over(Ok(vec![hop]));
        } else if let Some(port) = uri.port {
            self.look_up(vec![(transport, name, port)]);
        } else if let Some(transport) = asked {
            let names = vec![(transport, srv_name(transport, &name))];
            self.ask_srv(name, names, true);
        } else {
            self.ask(Query::Naptr(of_uri(&name)));
            self.step = Step::Naptr { target: name };
        }
        Ok(())
    }

    /// The next records to find.
    pub fn poll_query(&mut self) -> Option<Query> {
        self.asked.pop()
    }

    /// The list, once nothing more is to be asked for. It is never empty.
    pub fn poll_hops(&self) -> Option<Result<Vec<Hop>, ResolveError>> {
        match &self.step {
            Step::Over(result) => Some(result.clone()),
            _ => None,
        }
    }

    /// What came of a query. An error says why name servers have no answer to it; that none exist is
    /// no error.
    pub fn answer(&mut self, query: &Query, answer: Result<Records, String>) {
        self.open = self.open.saturating_sub(1);
        let records = match answer {
            Ok(records) => Some(records),
            Err(why) => {
                self.failure = Some(why);
                None
            }
        };
        match (&mut self.step, query, records) {
            (Step::Naptr { .. }, Query::Naptr(_), records) => {
                let naptrs = match records {
                    Some(Records::Naptr(naptrs)) => naptrs,
                    // Some name servers do not know the type: the transport is found without.
                    _ => Vec::new(),
                };
                return self.choose_transport(naptrs);
            }
            (Step::Srv { found, .. }, Query::Srv(name), Some(Records::Srv(records))) => {
                found.insert(name.clone(), records);
            }
            (
                Step::Addresses { found, .. },
                Query::Addresses(name),
                Some(Records::Addresses(ips)),
            ) => {
                found.insert(name.clone(), ips);
            }
            _ => {}
        }
        if self.open == 0 {
            self.go_on();
        }
    }

    /// All that was asked for is there.
    fn go_on(&mut self) {
        match std::mem::replace(&mut self.step, Step::Over(Ok(Vec::new()))) {
            Step::Srv {
                target,
                names,
                found,
                choose,
            } => self.take_srv(target, names, found, choose),
            Step::Addresses { wanted, found } => self.take_addresses(wanted, found),
            other => self.step = other,
        }
    }

    fn ask(&mut self, query: Query) {
        self.open += 1;
        self.asked.push(query);
    }

    /// §4.1: the best transport of ours that the domain names, else any that it has servers for.
    fn choose_transport(&mut self, naptrs: Vec<Naptr>) {
        let Step::Naptr { target } = &self.step else {
            return;
        };
        let target = target.clone();
        let mut usable: Vec<(u16, u16, Transport, String)> = naptrs
            .into_iter()
            .filter(|naptr| naptr.flags.eq_ignore_ascii_case("s") && !is_root(&naptr.replacement))
            .filter_map(|naptr| {
                let transport = service(&naptr.service)?;
                Some((
                    naptr.order,
                    naptr.preference,
                    transport,
                    whole(&naptr.replacement),
                ))
            })
            .filter(|(_, _, transport, _)| self.may(*transport))
            .collect();
        usable.sort_by_key(|(order, preference, ..)| (*order, *preference));
        // A higher order is for those who can use none of the lower (RFC 3403 §4.1).
        let best = usable.first().map(|(order, ..)| *order);
        let names: Vec<(Transport, String)> = usable
            .into_iter()
            .filter(|(order, ..)| Some(*order) == best)
            .map(|(.., transport, name)| (transport, name))
            .take(MAX_NAMES)
            .collect();
        if !names.is_empty() {
            return self.ask_srv(target, names, false);
        }
        let names = PREFERRED
            .into_iter()
            .filter(|transport| self.may(*transport))
            .map(|transport| (transport, srv_name(transport, &target)))
            .collect();
        self.ask_srv(target, names, true);
    }

    /// Where nobody says more.
    fn plain(&self) -> Transport {
        match self.secure {
            true => Transport::Tls,
            false => Transport::Udp,
        }
    }

    /// We speak it, and the URI allows it.
    fn may(&self, transport: Transport) -> bool {
        self.spoken.contains(&transport) && (transport.is_secure() || !self.secure)
    }

    fn ask_srv(&mut self, target: String, names: Vec<(Transport, String)>, choose: bool) {
        for (_, name) in &names {
            self.ask(Query::Srv(name.clone()));
        }
        self.step = Step::Srv {
            target,
            names,
            found: BTreeMap::new(),
            choose,
        };
        if self.open == 0 {
            self.go_on();
        }
    }

    fn take_srv(
        &mut self,
        target: String,
        names: Vec<(Transport, String)>,
        mut found: BTreeMap<String, Vec<Srv>>,
        choose: bool,
    ) {
        let mut wanted = Vec::new();
        let mut refused = false;
        let first = names.first().map(|(transport, _)| *transport);
        for (transport, name) in names {
            let records = found.remove(&name).unwrap_or_default();
            let (none, servers): (Vec<Srv>, Vec<Srv>) = records
                .into_iter()
                .partition(|record| is_root(&record.target));
            // A single dot says that there is decidedly no such service (RFC 2782).
            refused |= !none.is_empty();
            let servers = ordered(servers, &mut self.rng);
            let servers = servers.into_iter().filter(|record| record.port != 0);
            wanted.extend(servers.map(|record| (transport, whole(&record.target), record.port)));
            if choose && !wanted.is_empty() {
                break;
            }
        }
        wanted.truncate(MAX_HOPS);
        if !wanted.is_empty() {
            return self.look_up(wanted);
        }
        if refused {
            let why = format!("{} says that it has no such service", self.host);
            self.step = Step::Over(Err(ResolveError::Nobody(why)));
            return;
        }
        // §4.2: no SRV records, so the name is that of the server itself.
        let transport = first.unwrap_or(self.plain());
        self.look_up(vec![(transport, target, transport.default_port())]);
    }

    fn look_up(&mut self, wanted: Vec<(Transport, String, u16)>) {
        let mut names: Vec<&String> = wanted.iter().map(|(_, name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names.into_iter().cloned().collect::<Vec<_>>() {
            self.ask(Query::Addresses(name));
        }
        self.step = Step::Addresses {
            wanted,
            found: BTreeMap::new(),
        };
    }

    fn take_addresses(
        &mut self,
        wanted: Vec<(Transport, String, u16)>,
        found: BTreeMap<String, Vec<IpAddr>>,
    ) {
        let mut hops: Vec<Hop> = Vec::new();
        for (transport, name, port) in wanted {
            for ip in found.get(&name).into_iter().flatten() {
                let hop = self.hop(transport, SocketAddr::new(*ip, port));
                if !hops.contains(&hop) && hops.len() < MAX_HOPS {
                    hops.push(hop);
                }
            }
        }
        let host = &self.host;
        self.step = Step::Over(match (hops.is_empty(), self.failure.take()) {
            (false, _) => Ok(hops),
            (true, Some(why)) => Err(ResolveError::Unanswered(format!(
                "the host {host} was not found: {why}"
            ))),
            (true, None) => Err(ResolveError::Nobody(format!(
                "the host {host} was not found: it has no address"
            ))),
        });
    }

    fn hop(&self, transport: Transport, addr: SocketAddr) -> Hop {
        let named = Host::parse(self.host.as_bytes()).is_some_and(|host| host.ip().is_none());
        Hop {
            transport,
            addr,
            proof: match transport.is_secure() && named {
                true => Proof::Domain(Domain::new(&self.host)),
                false => Proof::Address,
            },
        }
    }
}

/// The transport that a URI asks for, if it asks for one.
fn transport_of(uri: &Uri) -> Result<Option<Transport>, String> {
    if !uri.is_sip() {
        return Err(format!(
            "{uri} names no host: a next hop is needed to call it"
        ));
    }
    let named = uri.params.contains("transport");
    let transport = Transport::of_uri(uri).ok_or_else(|| {
        format!("{uri} asks for a transport that is not spoken here: udp, tcp and tls are")
    })?;
    match transport.is_websocket() {
        true => Err(format!(
            "{uri} asks for a WebSocket, which only the far end can open"
        )),
        false => Ok(named.then_some(transport)),
    }
}

/// What a NAPTR record calls a transport (RFC 3263 §4.1).
fn service(name: &str) -> Option<Transport> {
    let name = name.to_ascii_uppercase();
    match name.as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}

fn srv_name(transport: Transport, target: &str) -> String {
    let service = match transport {
        Transport::Tls => "_sips._tcp",
        Transport::Tcp => "_sip._tcp",
        _ => "_sip._udp",
    };
    format!("{service}.{}", of_uri(target))
}

/// The search list of a system may complete names without a dot, and no others.
fn of_uri(name: &str) -> String {
    match name.contains('.') {
        true => whole(name),
        false => name.to_owned(),
    }
}

fn whole(name: &str) -> String {
    match name.ends_with('.') {
        true => name.to_owned(),
        false => format!("{name}."),
    }
}

fn is_root(name: &str) -> bool {
    name.is_empty() || name == "."
}
