// SPDX-License-Identifier: MPL-2.0
//! The bindings of all users.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Binding, Config};
use crate::transport::{Hop, Proof};
use crate::wire::{Contacts, Core, HeaderName, NameAddr, Request};

/// What a REGISTER is answered with.
#[derive(Debug, PartialEq)]
pub(crate) enum Registered {
    /// 200 with these Contacts.
    Bound(Vec<NameAddr>),
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
    call_id: Vec<u8>,
    number: u32,
    /// When it was registered last; the order of equals.
    heard: (Instant, u64),
}

#[derive(Debug)]
pub(crate) struct Registrar {
    config: Config,
    users: BTreeMap<String, Vec<Entry>>,
    /// Counts up with each REGISTER.
    serial: u64,
    changed: bool,
}

/// One contact of a REGISTER, with the seconds it is to be bound for.
struct Wish<'a> {
    contact: &'a NameAddr,
    seconds: u64,
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

    /// The connection with this far end is closed. Who was reached over it is reached at their
    /// Contact from now on, where that says an address and nothing has to be proved there: few phones
    /// have a certificate.
    pub(crate) fn connection_lost(&mut self, far: Hop) {
        if far.proof == Proof::Connected {
            return;
        }
        for entry in self.users.values_mut().flatten() {
            let binding = &mut entry.binding;
            let Some(ip) = binding.contact.host.ip_to_reach() else {
                continue;
            };
            if binding.hop == far {
                binding.hop.addr = SocketAddr::new(ip, binding.contact.port.unwrap_or(5060));
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
        let wishes = match self.wishes(list, core) {
            Ok(wishes) => wishes,
            Err(refusal) => return refusal,
        };
        let mut entries = self.users.get(user).cloned().unwrap_or_default();
        self.serial += 1;
        for wish in &wishes {
            let at = entries
                .iter()
                .position(|entry| entry.contact.uri == wish.contact.uri);
            if at.is_some_and(|at| is_old(&entries[at], core)) {
                return Registered::Refused(500, "CSeq Out Of Order");
            }
            if let Some(at) = at {
                entries.remove(at);
            }
            if wish.seconds == 0 {
                continue;
            }
            // A device that registers from a new address has left its old one (RFC 5626 §4.1).
            if let Some(instance) = wish.contact.params.get("+sip.instance") {
                entries.retain(|e| e.contact.params.get("+sip.instance") != Some(instance));
            }
            entries.push(self.entry(now, hop, request, core, wish));
        }
        while entries.len() > self.config.max_contacts {
            let oldest = (0..entries.len()).min_by_key(|at| entries[*at].heard);
            let Some(oldest) = oldest else { break };
            entries.remove(oldest);
        }
        let bound = contacts(&entries, now);
        if !wishes.is_empty() {
            self.put(user, entries);
        }
        Registered::Bound(bound)
    }

    /// What is asked for each contact.
    fn wishes<'a>(&self, list: &'a [NameAddr], core: &Core) -> Result<Vec<Wish<'a>>, Registered> {
        let (min, max) = (
            self.config.min_expires.as_secs(),
            self.config.max_expires.as_secs(),
        );
        if list.len() > self.config.max_contacts {
            return Err(Registered::Refused(403, "Too Many Contacts"));
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
                })
            })
            .collect()
    }

    fn entry(
        &self,
        now: Instant,
        hop: Hop,
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
                expires_at: now + Duration::from_secs(wish.seconds),
                user_agent,
            },
            contact,
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
        Registered::Bound(contacts(&[], now))
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
