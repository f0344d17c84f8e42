// SPDX-License-Identifier: MPL-2.0
use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use super::host::{Host, parse_host_port};
use super::params::Params;
use super::scan;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// Any other, in lower case.
    Other(Vec<u8>),
}

impl Scheme {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Scheme::Sip => b"sip",
            Scheme::Sips => b"sips",
            Scheme::Tel => b"tel",
            Scheme::Other(text) => text,
        }
    }
}

/// The text is not a URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a URI: {why}")]
pub struct UriError {
    text: String,
    why: &'static str,
}

/// A URI (RFC 3261 §19.1). Octets and escapes stay as they were written; `==` compares as §19.1.4
/// says, where equality is not transitive and therefore `Eq` is not given.
#[derive(Clone)]
pub struct Uri {
    pub scheme: Scheme,
    /// The user part, escapes kept. The subscriber number of a `tel:` URI.
    pub user: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
    /// Empty in a URI that is not `sip:` or `sips:`.
    pub host: Host,
    pub port: Option<u16>,
    pub params: Params,
    /// What follows the `?`, raw.
    pub headers: Option<Vec<u8>>,
    /// What follows the scheme's colon in a URI that is not `sip:` or `sips:`: it is written from
    /// this alone.
    pub opaque: Option<Vec<u8>>,
}

impl Uri {
    pub fn parse(text: &[u8]) -> Result<Uri, UriError> {
        Uri::read(text).map_err(|why| UriError {
            text: String::from_utf8_lossy(text).into_owned(),
            why,
        })
    }

    /// A `sip:` URI of a host.
    pub fn sip(user: Option<&[u8]>, host: impl Into<Host>, port: Option<u16>) -> Uri {
        Uri {
            scheme: Scheme::Sip,
            user: user.map(escape_user),
            password: None,
            host: host.into(),
            port,
            params: Params::new(),
            headers: None,
            opaque: None,
        }
    }

    /// What of it may stand in a Request-URI: neither its method parameter nor its header fields
    /// (§19.1.1), by which whoever wrote it would add some of their own.
    #[must_use]
    pub fn as_request_uri(&self) -> Uri {
        let mut uri = self.clone();
        uri.headers = None;
        uri.params.remove("method");
        uri
    }

    pub(super) fn read(text: &[u8]) -> Result<Uri, &'static str> {
        if !text.iter().all(|o| scan::may_stand_in_uri(*o)) {
            return Err("a blank, a quote, an angle bracket or a control character stands in it");
        }
        let (scheme, rest) = scan::split_once(text, b':').ok_or("it has no scheme")?;
        let scheme = read_scheme(scheme).ok_or("its scheme is malformed")?;
        if rest.is_empty() {
            return Err("nothing follows its scheme");
        }
        match scheme {
            Scheme::Sip | Scheme::Sips => Uri::read_sip(scheme, rest),
            Scheme::Tel => {
                let (number, params) = match scan::split_once(rest, b';') {
                    Some((number, params)) => (
                        number,
                        Params::parse(params).ok_or("its parameters are malformed")?,
                    ),
                    None => (rest, Params::new()),
                };
                Ok(Uri::opaque(
                    Scheme::Tel,
                    rest,
                    Some(number.to_vec()),
                    params,
                ))
            }
            other => Ok(Uri::opaque(other, rest, None, Params::new())),
        }
    }

    fn opaque(scheme: Scheme, rest: &[u8], user: Option<Vec<u8>>, params: Params) -> Uri {
        Uri {
            scheme,
            user,
            password: None,
            host: Host::none(),
            port: None,
            params,
            headers: None,
            opaque: Some(rest.to_vec()),
        }
    }

    fn read_sip(scheme: Scheme, rest: &[u8]) -> Result<Uri, &'static str> {
        // `;` and `?` may stand in a user part, `@` may not: so the first `@` decides.
        let (userinfo, rest) = match scan::split_once(rest, b'@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo {
            Some(userinfo) => match scan::split_once(userinfo, b':') {
                Some((user, password)) => (Some(user), Some(password)),
                None => (Some(userinfo), None),
            },
            None => (None, None),
        };
        if user.is_some_and(<[u8]>::is_empty) {
            return Err("its user part is empty");
        }
        let (rest, headers) = match scan::split_once(rest, b'?') {
            Some((rest, headers)) => (rest, Some(headers.to_vec())),
            None => (rest, None),
        };
        let (host_port, params) = match scan::split_once(rest, b';') {
            Some((host_port, params)) => (
                host_port,
                Params::parse(params).ok_or("its parameters are malformed")?,
            ),
            None => (rest, Params::new()),
        };
        let (host, port) = parse_host_port(host_port).ok_or("its host or port is malformed")?;
        Ok(Uri {
            scheme,
            user: user.map(<[u8]>::to_vec),
            password: password.map(<[u8]>::to_vec),
            host,
            port,
            params,
            headers,
            opaque: None,
        })
    }

    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part with its escapes resolved; the number of a `tel:` URI.
    pub fn user_decoded(&self) -> Option<Vec<u8>> {
        self.user.as_deref().map(unescape)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        self.write(&mut out);
        out
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme.as_bytes());
        out.push(b':');
        if let Some(opaque) = &self.opaque {
            out.extend_from_slice(opaque);
            return;
        }
        if let Some(user) = &self.user {
            out.extend_from_slice(user);
            if let Some(password) = &self.password {
                out.push(b':');
                out.extend_from_slice(password);
            }
            out.push(b'@');
        }
        out.extend_from_slice(self.host.as_bytes());
        if let Some(port) = self.port {
            // To memory it cannot fail.
            let _ = write!(out, ":{port}");
        }
        self.params.write(out);
        if let Some(headers) = &self.headers {
            out.push(b'?');
            out.extend_from_slice(headers);
        }
    }
}

fn read_scheme(text: &[u8]) -> Option<Scheme> {
    if text.eq_ignore_ascii_case(b"sip") {
        Some(Scheme::Sip)
    } else if text.eq_ignore_ascii_case(b"sips") {
        Some(Scheme::Sips)
    } else if text.eq_ignore_ascii_case(b"tel") {
        Some(Scheme::Tel)
    } else if text.first()?.is_ascii_alphabetic()
        && text
            .iter()
            .all(|o| o.is_ascii_alphanumeric() || b"+-.".contains(o))
    {
        Some(Scheme::Other(text.to_ascii_lowercase()))
    } else {
        None
    }
}

/// Resolves `%HH`. What is not a valid escape stays as it is.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let hex = |octet: &u8| (*octet as char).to_digit(16).map(|digit| digit as u8);
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(octet) = text.get(at) {
        let escape = (*octet == b'%')
            .then(|| Some(hex(text.get(at + 1)?)? << 4 | hex(text.get(at + 2)?)?))
            .flatten();
        plain.push(escape.unwrap_or(*octet));
        at += if escape.is_some() { 3 } else { 1 };
    }
    plain
}

/// The value of a header among the header components of a URI.
pub(super) fn header_of(headers: &[u8], wanted: &str) -> Option<Vec<u8>> {
    headers.split(|octet| *octet == b'&').find_map(|component| {
        let (name, value) = scan::split_once(component, b'=')?;
        unescape(name)
            .eq_ignore_ascii_case(wanted.as_bytes())
            .then(|| unescape(value))
    })
}

/// Escapes what may not stand in a user part.
fn escape_user(text: &[u8]) -> Vec<u8> {
    escape(text, b"-_.!~*'()&=+$,;?/")
}

/// Escapes what means something in the header components of a URI: all but the unreserved.
pub(super) fn escape_header(text: &[u8]) -> Vec<u8> {
    escape(text, b"-_.!~*'()")
}

/// Escapes all but letters, digits and `plain`.
fn escape(text: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for octet in text {
        if octet.is_ascii_alphanumeric() || plain.contains(octet) {
            out.push(*octet);
        } else {
            out.extend_from_slice(format!("%{octet:02X}").as_bytes());
        }
    }
    out
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Uri, UriError> {
        Uri::parse(text.as_bytes())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
