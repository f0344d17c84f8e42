// SPDX-License-Identifier: MPL-2.0
use super::DigestError;
use super::hash::Algorithm;

/// A quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    Auth,
    AuthInt,
}

impl Qop {
    pub fn name(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }

    pub(super) fn parse(name: &[u8]) -> Option<Qop> {
        [Qop::Auth, Qop::AuthInt]
            .into_iter()
            .find(|qop| qop.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// One WWW-Authenticate or Proxy-Authenticate value of the Digest scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// As it stood between the quotes, escapes kept: it is hashed and echoed so.
    pub realm: Vec<u8>,
    pub nonce: Vec<u8>,
    pub opaque: Option<Vec<u8>>,
    /// The name as it came, `None` if there was none, which means MD5.
    pub algorithm: Option<Vec<u8>>,
    /// The known names of `qop`. `None` if the challenge has no qop at all.
    pub qop: Option<Vec<Qop>>,
    /// The credentials were right, only the nonce has expired.
    pub stale: bool,
    /// The user name may travel as a hash (RFC 7616 §3.4.4).
    pub userhash: bool,
}

impl Challenge {
    pub fn parse(value: &[u8]) -> Result<Challenge, DigestError> {
        let params = AuthParams::parse(value)?;
        let text = |name| params.get(name).map(<[u8]>::to_vec);
        let qop = params.get("qop").map(|names| {
            names
                .split(|o| *o == b',')
                .filter_map(|name| Qop::parse(name.trim_ascii()))
                .collect()
        });
        Ok(Challenge {
            realm: text("realm").ok_or(DigestError::Malformed("it has no realm"))?,
            nonce: text("nonce").ok_or(DigestError::Malformed("it has no nonce"))?,
            opaque: text("opaque"),
            algorithm: text("algorithm"),
            qop,
            stale: params.is_true("stale"),
            userhash: params.is_true("userhash"),
        })
    }

    /// The challenges in one header value, not read yet. In SIP each has a header of its own (RFC 3261
    /// §7.3.1), but some write them in one line as in HTTP.
    pub(super) fn split(value: &[u8]) -> Vec<&[u8]> {
        let mut challenges = Vec::new();
        let (mut begin, mut item, mut at) = (0, 0, 0);
        while at <= value.len() {
            match value.get(at) {
                Some(b'"') => {
                    at = quoted_end(value, at).unwrap_or(value.len());
                    continue;
                }
                Some(b',') | None => {
                    if item > begin && begins_challenge(&value[item..at]) {
                        challenges.push(&value[begin..item]);
                        begin = item;
                    }
                    item = at + 1;
                }
                Some(_) => {}
            }
            at += 1;
        }
        challenges.push(&value[begin..]);
        challenges
    }

    /// The algorithm to answer with; `None` if it is one unknown here.
    pub fn known_algorithm(&self) -> Option<Algorithm> {
        match &self.algorithm {
            Some(name) => Algorithm::parse(name),
            None => Some(Algorithm::MD5),
        }
    }
}

/// The `name=value` list behind `Digest`, of a challenge or of credentials.
pub(super) struct AuthParams<'a> {
    items: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> AuthParams<'a> {
    pub(super) fn parse(value: &'a [u8]) -> Result<AuthParams<'a>, DigestError> {
        let value = value.trim_ascii();
        let end = value
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(value.len());
        let (scheme, list) = value.split_at(end);
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Err(DigestError::Scheme(
                String::from_utf8_lossy(scheme).into_owned(),
            ));
        }
        AuthParams::parse_list(list)
    }

    /// Of a header without a scheme, as Authentication-Info is.
    pub(super) fn parse_list(mut rest: &'a [u8]) -> Result<AuthParams<'a>, DigestError> {
        let mut items = Vec::with_capacity(12);
        loop {
            rest = rest.trim_ascii_start();
            match rest.first() {
                None => return Ok(AuthParams { items }),
                Some(b',') => {
                    rest = &rest[1..];
                    continue;
                }
                Some(_) => {}
            }
            let equals = rest
                .iter()
                .position(|o| *o == b'=')
                .ok_or(DigestError::Malformed("a parameter has no value"))?;
            let name = rest[..equals].trim_ascii_end();
            rest = rest[equals + 1..].trim_ascii_start();
            let value;
            (value, rest) = read_value(rest)?;
            items.push((name, value));
        }
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
    }

    /// The value of `name`, without the quotes.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        let item = self
            .items
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        item.map(|(_, value)| *value)
    }
}

/// A value and what follows it.
fn read_value(text: &[u8]) -> Result<(&[u8], &[u8]), DigestError> {
    if text.first() != Some(&b'"') {
        let end = text.iter().position(|o| *o == b',').unwrap_or(text.len());
        return Ok((text[..end].trim_ascii_end(), &text[end..]));
    }
    let end = quoted_end(text, 0).ok_or(DigestError::Malformed("a quoted string is left open"))?;
    Ok((&text[1..end - 1], &text[end..]))
}

/// The index after the quote that closes the one at `at`.
fn quoted_end(text: &[u8], mut at: usize) -> Option<usize> {
    at += 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Whether an element of the list is `Scheme name=value` or a lone scheme, and no `name=value`.
fn begins_challenge(item: &[u8]) -> bool {
    let item = item.trim_ascii();
    let name = item
        .split(|octet| *octet == b'=')
        .next()
        .unwrap_or_default();
    let lone = name.len() == item.len();
    !item.is_empty() && (lone || name.trim_ascii().iter().any(u8::is_ascii_whitespace))
}
