// SPDX-License-Identifier: MPL-2.0
//! The challenging side. A challenge costs no memory: its nonce carries the time it was made and
//! an HMAC that binds it to this process and to the source it was sent to. Only a nonce that was
//! answered *rightly* is remembered, so that the same answer is not taken twice.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::challenge::{AuthParams, Qop};
use super::hash::{Algorithm, Input, hex, unhex};
use crate::guard::Failure;
use crate::wire::{Method, Uri};

/// What is offered where nothing else is said, strongest first (RFC 8760 §2.4).
const OFFERED: [Algorithm; 2] = [Algorithm::SHA_256, Algorithm::MD5];

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the request carries no credentials for this realm")]
    Missing,
    #[error("the credentials are malformed")]
    Malformed,
    #[error("the nonce is not ours, or it has expired or been used up")]
    Stale,
    #[error("the credentials are for another Request-URI")]
    OtherUri,
    #[error("the user name or the password is wrong")]
    Wrong,
}

impl Denied {
    /// What a guard is told of it. A nonce that is too old is no more than a challenge to be answered.
    pub fn failure(self) -> Failure {
        match self {
            Denied::Missing | Denied::Stale => Failure::Unanswered,
            Denied::Malformed | Denied::OtherUri | Denied::Wrong => Failure::Credentials,
        }
    }

    /// Whether to say `stale=true`: the peer knows the password and need not ask its user again.
    pub fn is_stale(self) -> bool {
        self == Denied::Stale
    }
}

/// What of a request is verified.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    pub source: IpAddr,
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub body: &'a [u8],
}

/// Issues challenges for one realm and verifies the answers.
pub struct Verifier {
    realm: String,
    offered: Vec<Algorithm>,
    key: [u8; 64],
    started: Instant,
    lifetime: Duration,
    issued: u32,
    replay: Replay,
}

impl Verifier {
    /// `lifetime` is how long a nonce is good for; `remembered` how many answered nonces are kept
    /// in memory at most.
    pub fn new(realm: &str, now: Instant, lifetime: Duration, remembered: usize) -> Verifier {
        // What would end the quoted string of the challenge has no place in a realm.
        let realm = realm
            .chars()
            .filter(|c| !c.is_control() && !matches!(c, '"' | '\\'));
        Verifier {
            realm: realm.collect(),
            offered: OFFERED.to_vec(),
            key: rand::random(),
            started: now,
            lifetime,
            issued: 0,
            replay: Replay::new(remembered),
        }
    }

    /// Offers these, in this order, and accepts no others.
    pub fn offering(mut self, algorithms: Vec<Algorithm>) -> Verifier {
        self.offered = algorithms;
        self
    }

    /// The values of the WWW-Authenticate headers of a 401 to `source`, strongest first.
    pub fn challenges(&mut self, now: Instant, source: IpAddr, stale: bool) -> Vec<Vec<u8>> {
        let offered = self.offered.clone();
        offered
            .iter()
            .map(|algorithm| {
                let nonce = self.nonce(now, source);
                let mut value = format!(
                    "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={algorithm}, \
                     qop=\"auth,auth-int\"",
                    self.realm
                );
                if stale {
                    value.push_str(", stale=true");
                }
                value.into_bytes()
            })
            .collect()
    }

    /// Verifies a request by the values of its Authorization headers. `password` finds the
    /// password of a user. The user name comes back.
    pub fn verify<'a>(
        &mut self,
        now: Instant,
        presented: Presented<'_>,
        authorizations: impl Iterator<Item = &'a [u8]>,
        password: impl Fn(&str) -> Option<String>,
    ) -> Result<String, Denied> {
        let mut denied = Denied::Missing;
        for value in authorizations {
            // Credentials of another scheme or realm may stand beside ours.
            let Ok(params) = AuthParams::parse(value) else {
                continue;
            };
            if params.get("realm") != Some(self.realm.as_bytes()) {
                continue;
            }
            match self.verify_one(now, presented, &params, &password) {
                Ok(username) => return Ok(username),
                Err(reason) => denied = reason,
            }
        }
        Err(denied)
    }

    fn verify_one(
        &mut self,
        now: Instant,
        presented: Presented<'_>,
        params: &AuthParams<'_>,
        password: impl Fn(&str) -> Option<String>,
    ) -> Result<String, Denied> {
        let answer = Answer::read(params, &self.offered).ok_or(Denied::Malformed)?;
        if Uri::parse(answer.uri).ok().as_ref() != Some(presented.uri) {
            return Err(Denied::OtherUri);
        }
        let secret = password(&answer.username);
        let expected = Input {
            algorithm: answer.algorithm,
            username: answer.username.as_bytes(),
            // A user unknown costs the same time as a wrong password.
            password: secret.as_deref().unwrap_or_default().as_bytes(),
            realm: self.realm.as_bytes(),
            nonce: answer.nonce,
            cnonce: answer.cnonce,
            qop: answer.qop.map(|(qop, nc, _)| (qop.name().as_bytes(), nc)),
            method: presented.method.as_bytes(),
            uri: answer.uri,
            body: presented.body,
        }
        .response();
        let given = answer.response.to_ascii_lowercase();
        if !bool::from(expected.ct_eq(&given)) || secret.is_none() {
            return Err(Denied::Wrong);
        }
        // Only whoever knows the password is told that nothing but the nonce is wrong (RFC 7616 §3.3).
        let nonce = self.check_nonce(now, presented.source, answer.nonce)?;
        // Without qop there is no count, and a nonce serves once.
        let count = answer.qop.map_or(1, |(_, _, count)| count);
        let oldest = self.age_limit(now);
        if !self.replay.admit(nonce, count, oldest) {
            return Err(Denied::Stale);
        }
        Ok(answer.username)
    }

    /// A nonce made at or before this many milliseconds from the start has expired.
    fn age_limit(&self, now: Instant) -> Option<u64> {
        self.millis(now)
            .checked_sub(self.lifetime.as_millis() as u64)
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_millis() as u64
    }

    fn nonce(&mut self, now: Instant, source: IpAddr) -> String {
        self.issued = self.issued.wrapping_add(1);
        let id = NonceId {
            made: self.millis(now),
            serial: self.issued,
        };
        let mut octets = id.to_octets().to_vec();
        octets.extend_from_slice(&self.seal(id, source));
        String::from_utf8_lossy(&hex(&octets)).into_owned()
    }

    fn seal(&self, id: NonceId, source: IpAddr) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(&id.to_octets());
        match source.to_canonical() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        let mut seal = [0; 16];
        seal.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        seal
    }

    fn check_nonce(&self, now: Instant, source: IpAddr, nonce: &[u8]) -> Result<NonceId, Denied> {
        let octets = unhex(nonce).ok_or(Denied::Stale)?;
        let (id, seal) = octets.split_first_chunk::<12>().ok_or(Denied::Stale)?;
        let id = NonceId::from_octets(id);
        if !bool::from(self.seal(id, source).ct_eq(seal)) {
            return Err(Denied::Stale);
        }
        if self.age_limit(now).is_some_and(|limit| id.made <= limit) {
            return Err(Denied::Stale);
        }
        Ok(id)
    }
}

/// What credentials say.
struct Answer<'a> {
    username: String,
    nonce: &'a [u8],
    uri: &'a [u8],
    response: &'a [u8],
    algorithm: Algorithm,
    cnonce: &'a [u8],
    /// With the nonce count as written and as a number.
    qop: Option<(Qop, &'a [u8], u32)>,
}

impl<'a> Answer<'a> {
    fn read(params: &AuthParams<'a>, offered: &[Algorithm]) -> Option<Answer<'a>> {
        let username = unescape(params.get("username")?);
        let algorithm = match params.get("algorithm") {
            Some(name) => Algorithm::parse(name)?,
            None => Algorithm::MD5,
        };
        if !offered.contains(&algorithm) {
            return None;
        }
        let qop = match params.get("qop") {
            Some(name) => {
                let nc = params.get("nc").filter(|nc| nc.len() == 8)?;
                let count = u32::from_str_radix(str::from_utf8(nc).ok()?, 16).ok()?;
                Some((Qop::parse(name)?, nc, count))
            }
            None => None,
        };
        let cnonce = params.get("cnonce").unwrap_or_default();
        if qop.is_some() && cnonce.is_empty() {
            return None;
        }
        Some(Answer {
            username: String::from_utf8(username).ok()?,
            nonce: params.get("nonce")?,
            uri: params.get("uri")?,
            response: params.get("response")?,
            algorithm,
            cnonce,
            qop,
        })
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => out.extend(octets.next()),
            octet => out.push(*octet),
        }
    }
    out
}

/// A nonce without its seal; in the order they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NonceId {
    made: u64,
    serial: u32,
}

impl NonceId {
    fn to_octets(self) -> [u8; 12] {
        let mut octets = [0; 12];
        octets[..8].copy_from_slice(&self.made.to_be_bytes());
        octets[8..].copy_from_slice(&self.serial.to_be_bytes());
        octets
    }

    fn from_octets(octets: &[u8; 12]) -> NonceId {
        let [a, b, c, d, e, f, g, h, serial @ ..] = *octets;
        let made = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        NonceId {
            made,
            serial: u32::from_be_bytes(serial),
        }
    }
}

/// The counts seen of each answered nonce.
struct Replay {
    limit: usize,
    seen: BTreeMap<NonceId, Counts>,
    /// The newest nonce forgotten for want of room. It and older ones that are not in `seen` are
    /// refused: their counts are not known any more.
    forgotten: Option<NonceId>,
}

/// The highest count and which of the 64 up to it have come: requests may overtake each other.
#[derive(Clone, Copy)]
struct Counts {
    highest: u32,
    window: u64,
}

impl Replay {
    fn new(limit: usize) -> Replay {
        Replay {
            limit: limit.max(1),
            seen: BTreeMap::new(),
            forgotten: None,
        }
    }

    /// Whether `count` is new for `nonce`; it is from then on not.
    fn admit(&mut self, nonce: NonceId, count: u32, expired: Option<u64>) -> bool {
        if let Some(expired) = expired {
            let alive = NonceId {
                made: expired.saturating_add(1),
                serial: 0,
            };
            self.seen = self.seen.split_off(&alive);
        }
        if let Some(counts) = self.seen.get_mut(&nonce) {
            return counts.admit(count);
        }
        if self.forgotten.is_some_and(|forgotten| nonce <= forgotten) {
            return false;
        }
        self.seen.insert(
            nonce,
            Counts {
                highest: count,
                window: 1,
            },
        );
        if self.seen.len() > self.limit
            && let Some((oldest, _)) = self.seen.pop_first()
        {
            self.forgotten = Some(oldest);
        }
        true
    }
}

impl Counts {
    fn admit(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.window = self.window.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let bit = 1u64.checked_shl(behind).unwrap_or(0);
        let fresh = bit != 0 && self.window & bit == 0;
        self.window |= bit;
        fresh
    }
}
