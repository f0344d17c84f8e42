// SPDX-License-Identifier: MPL-2.0
//! When two URIs are the same: RFC 3261 §19.1.4, and RFC 3966 §4 for telephone numbers.

use super::params::Params;
use super::uri::{Scheme, Uri, unescape};

/// Parameters that never match one that is absent.
const TELLING_PARAMS: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl PartialEq for Uri {
    fn eq(&self, other: &Uri) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                same_text(self.user.as_deref(), other.user.as_deref())
                    && same_text(self.password.as_deref(), other.password.as_deref())
                    && self.host == other.host
                    && self.port == other.port
                    && same_params(&self.params, &other.params)
                    && same_headers(self.headers.as_deref(), other.headers.as_deref())
            }
            Scheme::Tel => {
                same_number(self.user.as_deref(), other.user.as_deref())
                    && all_match(&self.params, &other.params, true)
                    && all_match(&other.params, &self.params, true)
            }
            Scheme::Other(_) => self.opaque == other.opaque,
        }
    }
}

/// Case counts in the user part; an escape equals what it stands for.
fn same_text(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || unescape(a) == unescape(b),
        (None, None) => true,
        _ => false,
    }
}

fn same_params(a: &Params, b: &Params) -> bool {
    TELLING_PARAMS
        .iter()
        .all(|name| a.contains(name) == b.contains(name))
        && all_match(a, b, false)
}

/// Whether every parameter of `a` that `b` has too has the same value, and with `both` whether
/// `b` has it at all.
fn all_match(a: &Params, b: &Params, both: bool) -> bool {
    a.iter()
        .all(|(name, _)| match (first(a, name), first(b, name)) {
            (Some(value), Some(twin)) => unescape(value).eq_ignore_ascii_case(&unescape(twin)),
            _ => !both,
        })
}

/// The value that counts where a parameter stands there twice, which §19.1.1 forbids.
fn first<'a>(params: &'a Params, name: &[u8]) -> Option<&'a [u8]> {
    let (_, value) = params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
    Some(value.unwrap_or_default())
}

/// The same header components in any order; never ignored.
fn same_headers(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    let components = |headers: Option<&[u8]>| {
        let mut list: Vec<(Vec<u8>, Vec<u8>)> = headers
            .unwrap_or_default()
            .split(|o| *o == b'&')
            .filter(|component| !component.is_empty())
            .map(|component| {
                let mut halves = component.splitn(2, |o| *o == b'=');
                let name = unescape(halves.next().unwrap_or_default()).to_ascii_lowercase();
                (name, unescape(halves.next().unwrap_or_default()))
            })
            .collect();
        list.sort();
        list
    };
    components(a) == components(b)
}

/// Telephone numbers compare without their visual separators.
fn same_number(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    let digits = |number: Option<&[u8]>| -> Vec<u8> {
        let kept = number
            .unwrap_or_default()
            .iter()
            .filter(|o| !b"-.()".contains(o));
        kept.map(u8::to_ascii_lowercase).collect()
    };
    digits(a) == digits(b)
}
