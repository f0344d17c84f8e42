// SPDX-License-Identifier: MPL-2.0
use std::fmt;

use super::challenge::{Challenge, Qop};
use super::hash::{Algorithm, Input};
use super::{DigestError, hash};
use crate::wire::Method;

/// A user name and its password. The password never shows in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl Credentials {
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials {
            username: username.into(),
            password: password.into(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A client nonce nobody can guess.
pub fn new_cnonce() -> String {
    let octets: [u8; 16] = rand::random();
    String::from_utf8_lossy(&hash::hex(&octets)).into_owned()
}

/// What is needed of a challenge that can be answered.
struct Answerable<'a> {
    challenge: &'a Challenge,
    algorithm: Algorithm,
    qop: Option<Qop>,
}

fn answerable(challenge: &Challenge) -> Option<Answerable<'_>> {
    let algorithm = challenge.known_algorithm()?;
    let qop = match &challenge.qop {
        None => None,
        // `auth` where there is a choice: a body rewritten on the way (SDP by a border element)
        // would fail `auth-int`.
        Some(offered) => Some(
            [Qop::Auth, Qop::AuthInt]
                .into_iter()
                .find(|qop| offered.contains(qop))?,
        ),
    };
    Some(Answerable {
        challenge,
        algorithm,
        qop,
    })
}

/// Answers the strongest of `challenges` that is understood, the first of equals.
///
/// `uri` is the Request-URI octet for octet as it will be sent; `nc` counts the requests answered
/// with this nonce, from 1. What comes back is the value of Authorization (to a 401) or of
/// Proxy-Authorization (to a 407).
pub fn respond(
    challenges: &[Challenge],
    credentials: &Credentials,
    method: &Method,
    uri: &[u8],
    body: &[u8],
    cnonce: &str,
    nc: u32,
) -> Result<Vec<u8>, DigestError> {
    let username = credentials.username.as_bytes();
    if username.iter().any(|o| matches!(o, b'\r' | b'\n' | 0)) {
        return Err(DigestError::Username);
    }
    // Of equals `max_by_key` takes the last, and the first shall win.
    let chosen = challenges.iter().rev().filter_map(answerable);
    let Answerable {
        challenge,
        algorithm,
        qop,
    } = chosen
        .max_by_key(|c| c.algorithm.strength())
        .ok_or_else(|| unsupported(challenges))?;
    let nc = format!("{nc:08x}");
    let response = Input {
        algorithm,
        username,
        password: credentials.password.as_bytes(),
        realm: &challenge.realm,
        nonce: &challenge.nonce,
        cnonce: cnonce.as_bytes(),
        qop: qop.map(|qop| (qop.name().as_bytes(), nc.as_bytes())),
        method: method.as_bytes(),
        uri,
        body,
    }
    .response();

    let mut out = b"Digest ".to_vec();
    if challenge.userhash {
        let hashed = algorithm.hash(&[username, &challenge.realm]);
        quoted(&mut out, "username", &hashed);
        plain(&mut out, "userhash", "true");
    } else {
        quoted(&mut out, "username", &escape(username));
    }
    quoted(&mut out, "realm", &challenge.realm);
    quoted(&mut out, "nonce", &challenge.nonce);
    quoted(&mut out, "uri", uri);
    quoted(&mut out, "response", &response);
    if challenge.algorithm.is_some() {
        plain(&mut out, "algorithm", algorithm.name());
    }
    if qop.is_some() || algorithm.is_session() {
        quoted(&mut out, "cnonce", cnonce.as_bytes());
    }
    if let Some(opaque) = &challenge.opaque {
        quoted(&mut out, "opaque", opaque);
    }
    if let Some(qop) = qop {
        plain(&mut out, "qop", qop.name());
        plain(&mut out, "nc", &nc);
    }
    Ok(out)
}

fn unsupported(challenges: &[Challenge]) -> DigestError {
    if challenges.is_empty() {
        return DigestError::Unsupported("there is none of the Digest scheme".into());
    }
    let names: Vec<_> = challenges
        .iter()
        .map(|c| match c.known_algorithm() {
            Some(algorithm) => format!("{algorithm} with an unknown qop"),
            None => String::from_utf8_lossy(c.algorithm.as_deref().unwrap_or_default()).into(),
        })
        .collect();
    DigestError::Unsupported(format!("it asks for {}", names.join(" or ")))
}

fn name(out: &mut Vec<u8>, name: &str) {
    if !out.ends_with(b" ") {
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
}

fn plain(out: &mut Vec<u8>, param: &str, value: &str) {
    name(out, param);
    out.extend_from_slice(value.as_bytes());
}

/// `value` goes between the quotes as it is: what was read in quotes is escaped already.
fn quoted(out: &mut Vec<u8>, param: &str, value: &[u8]) {
    name(out, param);
    out.push(b'"');
    out.extend_from_slice(value);
    out.push(b'"');
}

fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for octet in text {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out
}
