// SPDX-License-Identifier: MPL-2.0
//! The bindings of all users.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Binding, Config};
use crate::endpoint::outbound;
use crate::transport::{Hop, Proof};
use crate::wire::{Contacts, Core, HeaderName, NameAddr, Request};

/// What a REGISTER is answered with.
#[derive(Debug, PartialEq)]
pub(crate) enum Registered {
    /// 200 with these Contacts.
    Bound {
        contacts: Vec<NameAddr>,
        /// Calls go down the connection that the request came over (RFC 5626 §6).
        outbound: bool,
    },
    /// 423 with this Min-Expires, in seconds.
    TooBrief(u64),
    /// This status, with a reason phrase that says why.
    Refused(u16, &'static str),
}

/// One contact and what decides whether a later request may change it.
#[derive(Debug, Clone)]
struct Entry {
    /// As it was registered, without `expires`.
    contact: NameAddr,
    binding: Binding,
    /// What it is known by in place of its URI, where it is reached over its connection alone.
    flow: Option<FlowKey>,
    call_id: Vec<u8>,
    number: u32,
    /// When it was registered last; the order of equals.
    heard: (Instant, u64),
}

impl Entry {
    /// Whether the connection with this far end is the only way to it, and its own.
    fn is_reached_over(&self, far: Hop) -> bool {
        self.flow.is_some() && self.binding.path.is_empty() && self.binding.hop == far
    }
}

#[derive(Debug)]
pub(crate) struct Registrar {
    config: Config,
    users: BTreeMap<String, Vec<Entry>>,
    /// Counts up with each REGISTER.
    serial: u64,
    changed: bool,
}

/// A flow of a device (RFC 5626 §6): its instance and its `reg-id`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FlowKey {
    instance: Vec<u8>,
    reg_id: u32,
}

impl FlowKey {
    fn of(contact: &NameAddr) -> Option<FlowKey> {
        let reg_id = std::str::from_utf8(contact.params.get("reg-id")?).ok()?;
        Some(FlowKey {
            instance: contact.params.get("+sip.instance")?.to_vec(),
            reg_id: reg_id.parse().ok().filter(|id| *id > 0)?,
        })
    }
}

/// What a REGISTER makes of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outbound {
    No,
    Yes,
    /// It is asked for, and the proxy that the request came by knows nothing of it.
    Lacking,
}

impl Outbound {
    /// §6: the client supports it, and is at the other end of the connection. Behind a proxy that one
    /// keeps its connection, and says so in its Path.
    fn of(
        hop: Hop,
        request: &Request,
        core: &Core,
        list: &[NameAddr],
        proxies: &[NameAddr],
    ) -> Outbound {
        let supported = request
            .headers
            .lists(HeaderName::Supported, outbound::OPTION);
        if !supported || !list.iter().any(|contact| FlowKey::of(contact).is_some()) {
            return Outbound::No;
        }
        if core.via.len() == 1 {
            // Who keeps a flow of datagrams alive asks for answers by STUN (§4.4.2).
            return match hop.transport.is_reliable() {
                true => Outbound::Yes,
                false => Outbound::No,
            };
        }
        // The first hop is the last to be listed.
        match proxies
            .last()
            .is_some_and(|first| first.uri.params.contains("ob"))
        {
            true => Outbound::Yes,
            false => Outbound::Lacking,
        }
    }
}

/// One contact of a REGISTER, with the seconds it is to be bound for.
struct Wish<'a> {
    contact: &'a NameAddr,
    seconds: u64,
    flow: Option<FlowKey>,
}

impl Wish<'_> {
    /// Whether it is about that entry.
    fn means(&self, entry: &Entry) -> bool {
        match &self.flow {
            Some(_) => entry.flow == self.flow,
            None => entry.flow.is_none() && entry.contact.uri == self.contact.uri,
        }
    }

    /// Whether it takes the place of that entry: a device that registers from a new address has left
    /// its old one, but for its other flows (RFC 5626 §4.1, §6).
    fn replaces(&self, entry: &Entry) -> bool {
        let instance = self.contact.params.get("+sip.instance");
        let same = instance.is_some() && entry.contact.params.get("+sip.instance") == instance;
        same && (self.flow.is_none() || entry.flow.is_none())
    }
}

impl Registrar {
    pub(crate) fn new(config: Config) -> Registrar {
        Registrar {
            config,
            users: BTreeMap::new(),
            serial: 0,
            changed: false,
        }
    }

    /// Whether somebody is reached over the connection with this far end.
    pub(crate) fn is_bound_to(&self, far: Hop) -> bool {
        let mut entries = self.users.values().flatten();
        entries.any(|entry| entry.binding.hop == far)
    }

    /// The connection with this far end is closed. Whoever said that they are reached over it alone is
    /// reached no more. Who else was is reached at their Contact from now on, where that says an
    /// address and nothing has to be proved there: few phones have a certificate.
    pub(crate) fn connection_lost(&mut self, far: Hop) {
        let mut gone = false;
        self.users.retain(|_, entries| {
            let before = entries.len();
            entries.retain(|entry| !entry.is_reached_over(far));
            gone |= entries.len() < before;
            !entries.is_empty()
        });
        self.changed |= gone;
        if far.proof == Proof::Connected {
            return;
        }
        for entry in self.users.values_mut().flatten() {
            let binding = &mut entry.binding;
            let nearest = binding.path.first().map(|proxy| &proxy.uri);
            let next = nearest.unwrap_or(&binding.contact);
            let Some(ip) = next.host.ip_to_reach() else {
                continue;
            };
            if binding.hop == far {
                binding.hop.addr = SocketAddr::new(ip, next.port.unwrap_or(5060));
                self.changed = true;
            }
        }
    }

    /// A REGISTER of a user who proved to be `user`. All of it is done or nothing (§10.3).
    pub(crate) fn register(
        &mut self,
        now: Instant,
        user: &str,
        hop: Hop,
        request: &Request,
        core: &Core,
    ) -> Registered {
        self.expire(now);
        if core.to.uri.user_decoded().as_deref() != Some(user.as_bytes()) {
            return Registered::Refused(403, "Only Your Own Address");
        }
        let list = match &core.contacts {
            Contacts::All => return self.remove_all(now, user, core),
            Contacts::List(list) => list,
        };
        let Some(path) = proxies(request) else {
            return Registered::Refused(400, "Path Cannot Be Read");
        };
        let outbound = Outbound::of(hop, request, core, list, &path);
        if outbound == Outbound::Lacking {
            return Registered::Refused(439, "First Hop Lacks Outbound Support");
        }
        let outbound = outbound == Outbound::Yes;
        let wishes = match self.wishes(list, core, outbound) {
            Ok(wishes) => wishes,
            Err(refusal) => return refusal,
        };
        let mut entries = self.users.get(user).cloned().unwrap_or_default();
        self.serial += 1;
        for wish in &wishes {
            let at = entries.iter().position(|entry| wish.means(entry));
            if at.is_some_and(|at| is_old(&entries[at], core)) {
                return Registered::Refused(500, "CSeq Out Of Order");
            }
            if let Some(at) = at {
                entries.remove(at);
            }
            if wish.seconds == 0 {
                continue;
            }
            entries.retain(|entry| !wish.replaces(entry));
            entries.push(self.entry(now, hop, &path, request, core, wish));
        }
        while entries.len() > self.config.max_contacts {
            let oldest = (0..entries.len()).min_by_key(|at| entries[*at].heard);
            let Some(oldest) = oldest else { break };
            entries.remove(oldest);
        }
        let contacts = contacts(&entries, now);
        if !wishes.is_empty() {
            self.put(user, entries);
        }
        Registered::Bound { contacts, outbound }
    }

    /// What is asked for each contact.
    fn wishes<'a>(
        &self,
        list: &'a [NameAddr],
        core: &Core,
        outbound: bool,
    ) -> Result<Vec<Wish<'a>>, Registered> {
        let (min, max) = (
            self.config.min_expires.as_secs(),
            self.config.max_expires.as_secs(),
        );
        if list.len() > self.config.max_contacts {
            return Err(Registered::Refused(403, "Too Many Contacts"));
        }
        let flow = |contact: &NameAddr| FlowKey::of(contact).filter(|_| outbound);
        if list.iter().filter_map(flow).count() > 1 {
            return Err(Registered::Refused(400, "One Flow Is One Contact"));
        }
        list.iter()
            .map(|contact| {
                if !contact.uri.is_sip() {
                    return Err(Registered::Refused(400, "Contact Is No SIP URI"));
                }
                let stated = contact.params.get("expires");
                let seconds = match stated {
                    // A malformed one counts as 3600 (§20.10).
                    Some(text) => std::str::from_utf8(text)
                        .ok()
                        .and_then(|text| text.parse::<u32>().ok())
                        .unwrap_or(3600)
                        .into(),
                    None => core.expires.map_or(max, u64::from),
                };
                if seconds > 0 && seconds < min {
                    return Err(Registered::TooBrief(min));
                }
                Ok(Wish {
                    contact,
                    seconds: seconds.min(max),
                    flow: flow(contact),
                })
            })
            .collect()
    }

    fn entry(
        &self,
        now: Instant,
        hop: Hop,
        path: &[NameAddr],
        request: &Request,
        core: &Core,
        wish: &Wish<'_>,
    ) -> Entry {
        let mut contact = wish.contact.clone();
        contact.params.remove("expires");
        let user_agent = request.headers.get(HeaderName::UserAgent).map(|value| {
            let text = String::from_utf8_lossy(value);
            text.chars().filter(|c| !c.is_control()).take(100).collect()
        });
        Entry {
            binding: Binding {
                contact: contact.uri.clone(),
                hop,
                path: path.to_vec(),
                expires_at: now + Duration::from_secs(wish.seconds),
                user_agent,
            },
            contact,
            flow: wish.flow.clone(),
            call_id: core.call_id.clone(),
            number: core.cseq.number,
            heard: (now, self.serial),
        }
    }

    /// `Contact: *`
    fn remove_all(&mut self, now: Instant, user: &str, core: &Core) -> Registered {
        if core.expires != Some(0) {
            return Registered::Refused(400, "A Star Needs Expires Zero");
        }
        let entries = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        if entries.iter().any(|entry| is_old(entry, core)) {
            return Registered::Refused(500, "CSeq Out Of Order");
        }
        self.put(user, Vec::new());
        Registered::Bound {
            contacts: contacts(&[], now),
            outbound: false,
        }
    }

    fn put(&mut self, user: &str, entries: Vec<Entry>) {
        self.changed = true;
        if entries.is_empty() {
            self.users.remove(user);
        } else {
            self.users.insert(user.to_owned(), entries);
        }
    }

    /// When a binding runs out next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let entries = self.users.values().flatten();
        entries.map(|entry| entry.binding.expires_at).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
    }

    fn expire(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.changed = true;
        self.users.retain(|_, entries| {
            entries.retain(|entry| entry.binding.expires_at > now);
            !entries.is_empty()
        });
    }

    /// Whether anything changed since this was asked last.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All bindings, those of each user in the order they were heard of, the newest first.
    pub(crate) fn bindings(&self) -> BTreeMap<String, Vec<Binding>> {
        let newest_first = |entries: &Vec<Entry>| {
            let mut entries: Vec<&Entry> = entries.iter().collect();
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.heard));
            entries.iter().map(|entry| entry.binding.clone()).collect()
        };
        self.users
            .iter()
            .map(|(user, entries)| (user.clone(), newest_first(entries)))
            .collect()
    }
}

/// The proxies that a REGISTER came by and that want calls to go by them (RFC 3327 §5.3). They are kept
/// where its user agent knows nothing of that, too: to it they make no difference.
fn proxies(request: &Request) -> Option<Vec<NameAddr>> {
    let list = request.headers.list(HeaderName::Path);
    list.map(|value| {
        let proxy = NameAddr::parse(value).ok()?;
        let usable = proxy.uri.is_sip() && !value.iter().any(u8::is_ascii_control);
        usable.then_some(proxy)
    })
    .collect()
}

/// Whether a request is older than the one that made this entry: a later one of the same Call-ID
/// has a higher CSeq (§10.3 step 7).
fn is_old(entry: &Entry, core: &Core) -> bool {
    entry.call_id == core.call_id && core.cseq.number <= entry.number
}

fn contacts(entries: &[Entry], now: Instant) -> Vec<NameAddr> {
    let left = |entry: &Entry| {
        let left = entry.binding.expires_at.saturating_duration_since(now);
        // Rounded up: whoever refreshes at the last second must not be too late.
        left.as_millis().div_ceil(1000)
    };
    entries
        .iter()
        .map(|entry| {
            let mut contact = entry.contact.clone();
            contact.params.set("expires", left(entry).to_string());
            contact
        })
        .collect()
}
