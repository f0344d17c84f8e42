// SPDX-License-Identifier: MPL-2.0
//! Two ends in one process: a room's SFU, and a phone in it. No handshake has to agree on what both can be told:
//! keys for SRTP are made for the two at random, and never leave the process. That spares two key agreements, two
//! signatures and the certificates around them.
//!
//! Whoever is elsewhere and shows our fingerprint, which everybody knows, is not told and finds no key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openssl::memcmp;
use openssl::rand::rand_bytes;
use sip_ua::sdp::{SrtpKeys, Suite};
use zeroize::Zeroizing;

use super::description::Credentials;
use super::dtls::{DtlsCertificate, Outcome, master_keys};

/// The cheapest.
const SUITE: Suite = Suite::AeadAes128Gcm;

/// A goodbye looks like an alert of DTLS 1.2 (RFC 7983), and says what the two alone know.
const ALERT: [u8; 3] = [21, 254, 253];
const GOODBYE: usize = 32;

/// As many far ends of one end are remembered: more than one is one that began anew.
const MOST: usize = 4;

/// An end whose far end is told its keys where it is in this process, too, and has the same certificate; any other
/// has DTLS of it. For as long as this is there, its far end knows it by its name in connectivity checks.
#[derive(Debug)]
pub struct Kinship(String);

impl Kinship {
    /// Of the end of this name (ufrag).
    pub fn of(ufrag: &str) -> Kinship {
        families().insert(ufrag.to_owned(), Vec::new());
        Kinship(ufrag.to_owned())
    }
}

impl Drop for Kinship {
    fn drop(&mut self) {
        families().remove(&self.0);
    }
}

/// Names and passwords of two ends, of the active one first.
type Names = [[String; 2]; 2];

type Families = BTreeMap<String, Vec<(Names, Arc<Secrets>)>>;

fn families() -> MutexGuard<'static, Families> {
    static FAMILIES: Mutex<Families> = Mutex::new(Families::new());
    FAMILIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What two ends are told.
struct Secrets {
    keys: Zeroizing<Vec<u8>>,
    /// What the passive one says, and the active one.
    goodbyes: [[u8; GOODBYE]; 2],
    /// Whether the passive one was told, and the active one.
    told: [AtomicBool; 2],
}

impl Secrets {
    fn make() -> Option<Secrets> {
        let mut keys = Zeroizing::new(vec![0; 2 * (SUITE.key_length() + SUITE.salt_length())]);
        let mut goodbyes = [[0; GOODBYE]; 2];
        rand_bytes(&mut keys).ok()?;
        for goodbye in &mut goodbyes {
            rand_bytes(goodbye).ok()?;
        }
        Some(Secrets {
            keys,
            goodbyes,
            told: Default::default(),
        })
    }

    /// Those of these two ends, the active one first, where one of them is named; made by whichever comes first.
    fn of(ends: [&Credentials; 2]) -> Option<Arc<Secrets>> {
        let mut families = families();
        let mut named = ends.into_iter().map(|end| &end.ufrag);
        let named = named.find(|ufrag| families.contains_key(*ufrag))?;
        let family = families.get_mut(named)?;
        let names = ends.map(|end| [end.ufrag.clone(), end.password.clone()]);
        let known = family.iter().find(|(known, _)| *known == names);
        if let Some((_, secrets)) = known {
            return Some(secrets.clone());
        }
        let secrets = Arc::new(Secrets::make()?);
        if family.len() == MOST {
            family.remove(0);
        }
        family.push((names, secrets.clone()));
        Some(secrets)
    }
}

#[derive(PartialEq, Eq)]
enum State {
    Waiting,
    Established,
    /// Goodbye was said.
    Over,
}

pub(super) struct Kin {
    secrets: Arc<Secrets>,
    certificate: Vec<u8>,
    active: bool,
    state: State,
    goodbye: Option<Vec<u8>>,
    outcome: Option<Outcome>,
}

impl Kin {
    /// The two ends are ours and theirs. `None` where neither of them is named.
    pub(super) fn new(
        certificate: &DtlsCertificate,
        [ours, theirs]: [&Credentials; 2],
        active: bool,
    ) -> Option<Kin> {
        let secrets = Secrets::of(match active {
            true => [ours, theirs],
            false => [theirs, ours],
        })?;
        secrets.told[usize::from(active)].store(true, Ordering::Release);
        Some(Kin {
            secrets,
            certificate: certificate.certificate.clone(),
            active,
            state: State::Waiting,
            goodbye: None,
            outcome: None,
        })
    }

    /// A record of the far end. `false`: it says nothing that is understood.
    pub(super) fn receive(&mut self, record: &[u8]) -> bool {
        let theirs = &self.secrets.goodbyes[usize::from(!self.active)];
        let said = record.strip_prefix(&ALERT);
        let is_goodbye = said.is_some_and(|said| said.len() == GOODBYE && memcmp::eq(said, theirs));
        if is_goodbye && self.state != State::Over {
            self.state = State::Over;
            self.outcome = Some(Outcome::Goodbye);
        }
        is_goodbye
    }

    /// What happened, once there is a way to the far end: whoever answers its checks has been told.
    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        let their_part = &self.secrets.told[usize::from(!self.active)];
        if self.state == State::Waiting && their_part.load(Ordering::Acquire) {
            self.state = State::Established;
            self.outcome = self.established();
        }
        self.outcome.take()
    }

    fn established(&self) -> Option<Outcome> {
        let [first, second] = master_keys(SUITE, &self.secrets.keys)?;
        let (send, receive) = match self.active {
            true => (first, second),
            false => (second, first),
        };
        Some(Outcome::Established {
            certificate: self.certificate.clone(),
            keys: SrtpKeys { send, receive },
        })
    }

    /// A record to send.
    pub(super) fn poll_record(&mut self) -> Option<Vec<u8>> {
        self.goodbye.take()
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) {
        if self.state == State::Established {
            let ours = &self.secrets.goodbyes[usize::from(self.active)];
            self.goodbye = Some([&ALERT, &ours[..]].concat());
        }
        self.state = State::Over;
    }
}
