// SPDX-License-Identifier: MPL-2.0
use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Md5,
    Sha256,
    Sha512_256,
}

/// A digest algorithm, by its name in RFC 7616 and RFC 8760.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Algorithm {
    function: Function,
    session: bool,
}

const NAMES: [(&str, Algorithm); 6] = [
    ("MD5", Algorithm::MD5),
    (
        "MD5-sess",
        Algorithm {
            function: Function::Md5,
            session: true,
        },
    ),
    ("SHA-256", Algorithm::SHA_256),
    (
        "SHA-256-sess",
        Algorithm {
            function: Function::Sha256,
            session: true,
        },
    ),
    ("SHA-512-256", Algorithm::SHA_512_256),
    (
        "SHA-512-256-sess",
        Algorithm {
            function: Function::Sha512_256,
            session: true,
        },
    ),
];

impl Algorithm {
    pub const MD5: Algorithm = Algorithm {
        function: Function::Md5,
        session: false,
    };
    pub const SHA_256: Algorithm = Algorithm {
        function: Function::Sha256,
        session: false,
    };
    pub const SHA_512_256: Algorithm = Algorithm {
        function: Function::Sha512_256,
        session: false,
    };

    /// Reads a name, case-blind. `None` for one unknown here.
    pub fn parse(name: &[u8]) -> Option<Algorithm> {
        let known = NAMES
            .iter()
            .find(|(n, _)| n.as_bytes().eq_ignore_ascii_case(name));
        known.map(|(_, algorithm)| *algorithm)
    }

    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, a)| *a == self)
            .map_or("MD5", |(name, _)| name)
    }

    /// Whether A1 is bound to the session's nonces.
    pub fn is_session(self) -> bool {
        self.session
    }

    /// Higher is stronger.
    pub(super) fn strength(self) -> u8 {
        match self.function {
            Function::Md5 => 0,
            Function::Sha256 => 1,
            Function::Sha512_256 => 2,
        }
    }

    /// The hash of `parts` joined by colons, in lower-case hexadecimal.
    pub(super) fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        match self.function {
            Function::Md5 => joined::<Md5>(parts),
            Function::Sha256 => joined::<Sha256>(parts),
            Function::Sha512_256 => joined::<Sha512_256>(parts),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    hex(&digest.finalize())
}

pub(super) fn hex(octets: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = octets
        .iter()
        .flat_map(|o| [DIGITS[usize::from(o >> 4)], DIGITS[usize::from(o & 15)]]);
    digits.collect()
}

pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |o: u8| (o as char).to_digit(16).map(|d| d as u8);
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

/// What a response is computed from (RFC 7616 §3.4).
pub(super) struct Input<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) username: &'a [u8],
    pub(super) password: &'a [u8],
    pub(super) realm: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) cnonce: &'a [u8],
    /// The qop name and the nonce count as it is written; `None` for RFC 2069's way.
    pub(super) qop: Option<(&'a [u8], &'a [u8])>,
    pub(super) method: &'a [u8],
    pub(super) uri: &'a [u8],
    pub(super) body: &'a [u8],
}

impl Input<'_> {
    pub(super) fn response(&self) -> Vec<u8> {
        let algorithm = self.algorithm;
        let mut ha1 = algorithm.hash(&[self.username, self.realm, self.password]);
        if algorithm.session {
            ha1 = algorithm.hash(&[&ha1, self.nonce, self.cnonce]);
        }
        let ha2 = match self.qop {
            Some((b"auth-int", _)) => {
                algorithm.hash(&[self.method, self.uri, &algorithm.hash(&[self.body])])
            }
            _ => algorithm.hash(&[self.method, self.uri]),
        };
        match self.qop {
            Some((qop, nc)) => algorithm.hash(&[&ha1, self.nonce, nc, self.cnonce, qop, &ha2]),
            None => algorithm.hash(&[&ha1, self.nonce, &ha2]),
        }
    }
}
