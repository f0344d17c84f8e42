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
            stale: params
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
        })
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
        let (scheme, mut rest) = value.split_at(end);
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Err(DigestError::Scheme(
                String::from_utf8_lossy(scheme).into_owned(),
            ));
        }
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
    let mut at = 1;
    loop {
        match text.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return Ok((&text[1..at], &text[at + 1..])),
            Some(_) => at += 1,
            None => return Err(DigestError::Malformed("a quoted string is left open")),
        }
    }
}
