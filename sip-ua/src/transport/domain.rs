// SPDX-License-Identifier: MPL-2.0
//! Names of hosts that connections out must prove.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// How many are remembered. The one that was asked for least recently goes first; a connection that
/// is open outlasts that.
const REMEMBERED: usize = 4096;

/// The name of a host, small enough to stand in every [`Path`](crate::transaction::Path). Two of the
/// same name are equal as long as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(u64);

#[derive(Default)]
struct Names {
    next: u64,
    /// With when it was asked for last.
    by_name: HashMap<Arc<str>, (Domain, u64)>,
    by_age: BTreeMap<u64, Arc<str>>,
    by_domain: HashMap<Domain, Arc<str>>,
}

static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

impl Domain {
    /// Names compare case-blind.
    pub fn new(name: &str) -> Domain {
        NAMES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remember(&name.to_ascii_lowercase(), REMEMBERED)
    }

    /// In lower case; `None` once so many others were asked for that it is forgotten.
    pub fn name(self) -> Option<Arc<str>> {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        names.by_domain.get(&self).cloned()
    }
}

impl Names {
    fn remember(&mut self, name: &str, limit: usize) -> Domain {
        self.next += 1;
        let asked = self.next;
        if let Some((domain, before)) = self.by_name.get_mut(name) {
            let (domain, before) = (*domain, std::mem::replace(before, asked));
            if let Some(name) = self.by_age.remove(&before) {
                self.by_age.insert(asked, name);
            }
            return domain;
        }
        if self.by_name.len() >= limit
            && let Some((_, oldest)) = self.by_age.pop_first()
            && let Some((domain, _)) = self.by_name.remove(&oldest)
        {
            self.by_domain.remove(&domain);
        }
        let (name, domain): (Arc<str>, Domain) = (name.into(), Domain(asked));
        self.by_name.insert(name.clone(), (domain, asked));
        self.by_age.insert(asked, name.clone());
        self.by_domain.insert(domain, name);
        domain
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_deref().unwrap_or("a forgotten host"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_domain() {
        let domain = Domain::new("SIP.example.org");
        assert_eq!(domain, Domain::new("sip.EXAMPLE.org"));
        assert_ne!(domain, Domain::new("example.org"));
        assert_eq!(domain.name().as_deref(), Some("sip.example.org"));
    }

    #[test]
    fn the_one_not_asked_for_is_forgotten_first() {
        let mut names = Names::default();
        let first = names.remember("first", 2);
        let second = names.remember("second", 2);
        assert_eq!(names.remember("first", 2), first);
        let third = names.remember("third", 2);
        assert!(!names.by_domain.contains_key(&second));
        assert!(names.by_domain.contains_key(&first));
        assert!(names.by_domain.contains_key(&third));
        assert_eq!((names.by_name.len(), names.by_age.len()), (2, 2));
        assert_ne!(names.remember("second", 2), second);
    }
}
