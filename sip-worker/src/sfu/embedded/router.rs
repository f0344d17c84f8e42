// SPDX-License-Identifier: MPL-2.0
//! Whose a datagram is, where many connections share a socket. No I/O here.
//!
//! A connectivity check names the connection it is for (RFC 8445 section 7.2.2), and the answer to one of ours
//! repeats its number. Everything else comes from an address whose check the connection has found authentic
//! and answered: so the answers on their way out are what teaches addresses, and nobody claims an address with
//! a check of their own making.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::LinkId;

/// Addresses of one far end: each of its networks, through each of its address translators.
const ADDRESSES_MAX: usize = 32;

/// Names of one connection: of its ICE session, and of the one before.
const NAMES_MAX: usize = 2;

/// Checks of ours that wait for an answer, in each of two generations.
const CHECKS_MAX: usize = 4_096;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const USERNAME: u16 = 0x0006;

/// The number of a check (RFC 8489 section 5).
type Transaction = [u8; 12];

/// Our address and theirs.
type Path = (SocketAddr, SocketAddr);

#[derive(Debug, Default)]
pub(super) struct Router {
    names: HashMap<String, LinkId>,
    /// What each is called, the latest last.
    called: HashMap<LinkId, Vec<String>>,
    paths: HashMap<Path, LinkId>,
    /// Checks of ours, the present and the former generation: an answer comes soon or not at all.
    checks: HashMap<Transaction, LinkId>,
    former: HashMap<Transaction, LinkId>,
}

impl Router {
    /// From now on checks for this `ice-ufrag` are for `link`. Those for the name it had last may be on their way.
    pub(super) fn name(&mut self, ufrag: &str, link: LinkId) {
        if self.names.insert(ufrag.to_owned(), link) == Some(link) {
            return;
        }
        let called = self.called.entry(link).or_default();
        called.push(ufrag.to_owned());
        if called.len() > NAMES_MAX {
            let former = called.remove(0);
            if self.names.get(&former) == Some(&link) {
                self.names.remove(&former);
            }
        }
    }

    /// The connection is no more.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.names.retain(|_, of| *of != link);
        self.called.remove(&link);
        self.paths.retain(|_, of| *of != link);
        self.checks.retain(|_, of| *of != link);
        self.former.retain(|_, of| *of != link);
    }

    /// Whose a datagram is that came to `local`.
    pub(super) fn route(
        &self,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Option<LinkId> {
        match Stun::read(bytes) {
            Some(Stun::Request { ufrag, .. }) => self.names.get(ufrag).copied(),
            Some(Stun::Answer { transaction, .. }) => {
                let of = |checks: &HashMap<_, _>| checks.get(&transaction).copied();
                of(&self.checks).or_else(|| of(&self.former))
            }
            _ => self.paths.get(&(local, from)).copied(),
        }
    }

    /// `link` sends this. Whoever has an address keeps it for as long as it is there.
    pub(super) fn sends(&mut self, link: LinkId, local: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        match Stun::read(bytes) {
            Some(Stun::Request { transaction, .. }) => {
                if self.checks.len() == CHECKS_MAX {
                    self.former = std::mem::take(&mut self.checks);
                }
                self.checks.insert(transaction, link);
            }
            Some(Stun::Answer { success: true, .. }) => {
                let path = (local, to);
                let mine = self.paths.values().filter(|of| **of == link);
                if !self.paths.contains_key(&path) && mine.count() < ADDRESSES_MAX {
                    self.paths.insert(path, link);
                }
            }
            _ => {}
        }
    }
}

/// A STUN message (RFC 8489), as far as it says whose it is.
enum Stun<'a> {
    Request {
        ufrag: &'a str,
        transaction: Transaction,
    },
    Answer {
        success: bool,
        transaction: Transaction,
    },
    Other,
}

impl<'a> Stun<'a> {
    /// `None`: it is something else that shares the port (RFC 7983).
    fn read(bytes: &'a [u8]) -> Option<Stun<'a>> {
        let (header, attributes) = bytes.split_first_chunk::<HEADER>()?;
        if header[0] > 3 || header[4..8] != COOKIE {
            return None;
        }
        let transaction = *header.last_chunk::<12>()?;
        Some(match [header[0], header[1]] {
            [0x00, 0x01] => Stun::Request {
                ufrag: ufrag(attributes).unwrap_or_default(),
                transaction,
            },
            [0x01, kind @ (0x01 | 0x11)] => Stun::Answer {
                success: kind == 0x01,
                transaction,
            },
            _ => Stun::Other,
        })
    }
}

/// The first half of USERNAME: whom the check is for.
fn ufrag(mut attributes: &[u8]) -> Option<&str> {
    loop {
        let (kind, rest) = attributes.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let value = rest.get(..length)?;
        if u16::from_be_bytes(*kind) == USERNAME {
            let name = std::str::from_utf8(value).ok()?;
            return name.split_once(':').map(|(ours, _)| ours);
        }
        // Values are filled up to four bytes.
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(kind: [u8; 2], username: &str) -> Vec<u8> {
        let mut bytes = vec![kind[0], kind[1], 0, 0];
        bytes.extend(COOKIE);
        bytes.extend([7; 12]);
        for (attribute, value) in [(0x8022_u16, "any"), (USERNAME, username)] {
            bytes.extend(attribute.to_be_bytes());
            bytes.extend((value.len() as u16).to_be_bytes());
            bytes.extend(value.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    const REQUEST: [u8; 2] = [0, 1];
    const SUCCESS: [u8; 2] = [1, 1];
    const MEDIA: [u8; 12] = [0x80; 12];

    #[test]
    fn checks_go_by_name_and_media_where_checks_were_answered() {
        let (ours, theirs) = (address(1), address(2));
        let mut router = Router::default();
        router.name("ours", LinkId(1));
        let check = stun(REQUEST, "ours:theirs");
        assert_eq!(router.route(ours, theirs, &check), Some(LinkId(1)));
        assert_eq!(
            router.route(ours, theirs, &stun(REQUEST, "other:theirs")),
            None
        );
        assert_eq!(
            router.route(ours, theirs, &MEDIA),
            None,
            "nothing was answered yet"
        );
        router.sends(LinkId(1), ours, theirs, &MEDIA);
        assert_eq!(
            router.route(ours, theirs, &MEDIA),
            None,
            "media prove nothing"
        );
        router.sends(LinkId(1), ours, theirs, &stun(SUCCESS, ""));
        assert_eq!(router.route(ours, theirs, &MEDIA), Some(LinkId(1)));
        router.forget(LinkId(1));
        assert_eq!(router.route(ours, theirs, &MEDIA), None);
        assert_eq!(router.route(ours, theirs, &check), None);
    }

    #[test]
    fn whoever_begins_ice_anew_has_two_names_and_no_more() {
        let mut router = Router::default();
        let whose = |router: &Router, name: &str| {
            let check = stun(REQUEST, &format!("{name}:theirs"));
            router.route(address(1), address(2), &check)
        };
        router.name("other", LinkId(2));
        for number in 0..100 {
            router.name(&format!("ours{number}"), LinkId(1));
            // As it is called still.
            router.name(&format!("ours{number}"), LinkId(1));
        }
        assert_eq!(whose(&router, "ours99"), Some(LinkId(1)));
        assert_eq!(whose(&router, "ours98"), Some(LinkId(1)));
        assert_eq!(whose(&router, "ours97"), None);
        assert_eq!(whose(&router, "other"), Some(LinkId(2)));
        router.forget(LinkId(1));
        assert_eq!((router.names.len(), router.called.len()), (1, 1));
    }

    #[test]
    fn answers_go_to_whoever_asked() {
        let (ours, theirs) = (address(1), address(2));
        let mut router = Router::default();
        let answer = stun(SUCCESS, "");
        assert_eq!(router.route(ours, theirs, &answer), None);
        router.sends(LinkId(1), ours, theirs, &stun(REQUEST, "theirs:ours"));
        assert_eq!(router.route(ours, theirs, &answer), Some(LinkId(1)));
        assert_eq!(
            router.route(ours, theirs, &MEDIA),
            None,
            "asking proves nothing"
        );
        router.forget(LinkId(1));
        assert_eq!(router.route(ours, theirs, &answer), None);
    }

    #[test]
    fn checks_that_nobody_answers_are_forgotten() {
        let mut router = Router::default();
        for number in 0..3 * CHECKS_MAX as u32 {
            let mut check = stun(REQUEST, "theirs:ours");
            check[8..12].copy_from_slice(&number.to_be_bytes());
            router.sends(LinkId(1), address(1), address(2), &check);
        }
        assert!(router.checks.len() + router.former.len() <= 2 * CHECKS_MAX);
    }

    #[test]
    fn nobody_takes_anothers_address() {
        let (ours, theirs) = (address(1), address(2));
        let mut router = Router::default();
        router.sends(LinkId(1), ours, theirs, &stun(SUCCESS, ""));
        router.sends(LinkId(2), ours, theirs, &stun(SUCCESS, ""));
        assert_eq!(router.route(ours, theirs, &MEDIA), Some(LinkId(1)));
    }

    #[test]
    fn a_far_end_has_so_many_addresses_and_no_more() {
        let mut router = Router::default();
        for port in 1..100 {
            router.sends(LinkId(1), address(1), address(port), &stun(SUCCESS, ""));
        }
        assert_eq!(router.paths.len(), ADDRESSES_MAX);
    }

    #[test]
    fn what_is_cut_off_is_nobodys() {
        let whole = stun(REQUEST, "ours:theirs");
        let mut router = Router::default();
        router.name("ours", LinkId(1));
        let end = HEADER + 8 + 4 + "ours:theirs".len();
        for length in 0..end {
            assert_eq!(
                router.route(address(1), address(2), &whole[..length]),
                None,
                "{length}"
            );
        }
    }
}
