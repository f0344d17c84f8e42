// SPDX-License-Identifier: MPL-2.0
use std::fmt;

use bytes::Bytes;

use super::header_name::HeaderName;
use super::read::MAX_FIELD_OCTETS;
use super::scan;
use super::{CSeq, NameAddr, Uri, Via};

/// A header could not be built because it would not survive the wire as one header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("\"{0}\" is not a header name: only letters, digits and -.!%*_+`'~ may stand in one")]
    Name(String),
    #[error("the value of {name} holds a line break or a NUL at octet {at}")]
    Value { name: String, at: usize },
    #[error(
        "the value of {name} is {octets} octets long: a header field may have {MAX_FIELD_OCTETS}"
    )]
    TooLong { name: String, octets: usize },
}

/// The value of one header field: any octets but CR, LF and NUL, so that no value can ever begin
/// another header.
///
/// [`HeaderValue::new`] and [`Headers::try_push`] refuse those three and are the way in for text
/// that comes from outside. The `From` conversions, meant for what the crate made or read itself,
/// turn them into blanks.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderValue(Bytes);

impl HeaderValue {
    /// Checks `value`. The error is the place of the first octet that may not stand there.
    pub fn new(value: impl Into<Vec<u8>>) -> Result<HeaderValue, usize> {
        let value = value.into();
        match value.iter().position(|o| scan::breaks_line(*o)) {
            Some(at) => Err(at),
            None => Ok(HeaderValue(value.into())),
        }
    }

    /// A value as it stood on one line of the wire, a part of `message`, whose octets it shares: most
    /// values are only written again. It may hold a NUL, which RFC 3261 allows in a quoted string.
    pub(super) fn read(message: &Bytes, value: &[u8]) -> HeaderValue {
        HeaderValue(message.slice_ref(value))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl From<Vec<u8>> for HeaderValue {
    fn from(mut value: Vec<u8>) -> HeaderValue {
        for octet in value.iter_mut().filter(|o| scan::breaks_line(**o)) {
            *octet = b' ';
        }
        HeaderValue(value.into())
    }
}

impl From<&[u8]> for HeaderValue {
    fn from(value: &[u8]) -> HeaderValue {
        value.to_vec().into()
    }
}

impl From<&str> for HeaderValue {
    fn from(value: &str) -> HeaderValue {
        value.as_bytes().into()
    }
}

impl From<String> for HeaderValue {
    fn from(value: String) -> HeaderValue {
        value.into_bytes().into()
    }
}

impl From<u32> for HeaderValue {
    fn from(value: u32) -> HeaderValue {
        value.to_string().into()
    }
}

impl From<&Via> for HeaderValue {
    fn from(value: &Via) -> HeaderValue {
        value.to_bytes().into()
    }
}

impl From<&NameAddr> for HeaderValue {
    fn from(value: &NameAddr) -> HeaderValue {
        value.to_bytes().into()
    }
}

impl From<&CSeq> for HeaderValue {
    fn from(value: &CSeq) -> HeaderValue {
        value.to_bytes().into()
    }
}

/// A URI as a whole value, in angle brackets.
impl From<&Uri> for HeaderValue {
    fn from(value: &Uri) -> HeaderValue {
        NameAddr::from(value.clone()).to_bytes().into()
    }
}

impl From<&HeaderValue> for HeaderValue {
    fn from(value: &HeaderValue) -> HeaderValue {
        value.clone()
    }
}

/// The header fields of a message, in order, values as octets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    pub fn new() -> Headers {
        Headers::default()
    }

    pub(super) fn with_capacity(fields: usize) -> Headers {
        Headers {
            fields: Vec::with_capacity(fields),
        }
    }

    /// The value of the first field of that name.
    pub fn get(&self, name: impl Into<HeaderName>) -> Option<&[u8]> {
        let name = name.into();
        self.fields
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.as_bytes())
    }

    /// The values of all fields of that name, one an item, commas unsplit.
    pub fn get_all(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &[u8]> {
        let name = name.into();
        self.fields
            .iter()
            .filter(move |(n, _)| *n == name)
            .map(|(_, v)| v.as_bytes())
    }

    /// The elements of a comma-list header (Via, Route, Contact, Require, …) over all its fields.
    /// Not for headers in which a comma is plain text, such as Subject, Date or WWW-Authenticate.
    pub fn list(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).flat_map(scan::split_list)
    }

    /// Whether a comma-list header of option tags or methods names `token`, case-blind.
    pub fn lists(&self, name: impl Into<HeaderName>, token: &str) -> bool {
        self.list(name)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    pub fn contains(&self, name: impl Into<HeaderName>) -> bool {
        self.get(name).is_some()
    }

    pub fn count(&self, name: impl Into<HeaderName>) -> usize {
        self.get_all(name).count()
    }

    pub fn push(&mut self, name: impl Into<HeaderName>, value: impl Into<HeaderValue>) {
        self.fields.push((name.into(), value.into()));
    }

    pub fn push_front(&mut self, name: impl Into<HeaderName>, value: impl Into<HeaderValue>) {
        self.fields.insert(0, (name.into(), value.into()));
    }

    /// Adds a header whose name and value come from outside (configuration, an API's caller).
    pub fn try_push(&mut self, name: &str, value: impl Into<Vec<u8>>) -> Result<(), HeaderError> {
        let parsed = HeaderName::parse(name.as_bytes())
            .ok_or_else(|| HeaderError::Name(name.escape_debug().to_string()))?;
        let value = HeaderValue::new(value).map_err(|at| HeaderError::Value {
            name: parsed.to_string(),
            at,
        })?;
        // Beside it stand the colon, a blank and the line end.
        let octets = value.as_bytes().len();
        if parsed.as_bytes().len() + octets + 4 > MAX_FIELD_OCTETS {
            return Err(HeaderError::TooLong {
                name: parsed.to_string(),
                octets,
            });
        }
        self.fields.push((parsed, value));
        Ok(())
    }

    pub(super) fn push_read(&mut self, name: HeaderName, value: HeaderValue) {
        self.fields.push((name, value));
    }

    /// Replaces all fields of that name by one, in the place of the first.
    pub fn set(&mut self, name: impl Into<HeaderName>, value: impl Into<HeaderValue>) {
        let name = name.into();
        let at = self.fields.iter().position(|(n, _)| *n == name);
        self.fields.retain(|(n, _)| *n != name);
        let at = at.unwrap_or(self.fields.len());
        self.fields.insert(at, (name, value.into()));
    }

    /// Removes all fields of that name and says how many there were.
    pub fn remove(&mut self, name: impl Into<HeaderName>) -> usize {
        let name = name.into();
        let before = self.fields.len();
        self.fields.retain(|(n, _)| *n != name);
        before - self.fields.len()
    }

    /// Appends every field of that name found in `other`.
    pub fn copy(&mut self, name: impl Into<HeaderName>, other: &Headers) {
        let name = name.into();
        let fields = other.fields.iter().filter(|(n, _)| *n == name);
        self.fields.extend(fields.cloned());
    }

    /// Replaces the topmost Via element and leaves the others as they are, also when several
    /// share a line. What `received` and `rport` are added with (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn set_top_via(&mut self, via: &Via) {
        let Some((_, value)) = self.fields.iter_mut().find(|(n, _)| *n == HeaderName::Via) else {
            self.push_front(HeaderName::Via, via);
            return;
        };
        let mut bytes = via.to_bytes();
        if let Some(comma) = scan::find_outside(value.as_bytes(), b',') {
            bytes.extend_from_slice(&value.as_bytes()[comma..]);
        }
        *value = bytes.into();
    }

    /// Removes the topmost Via element, also when several share a line.
    pub fn remove_top_via(&mut self) {
        let Some(at) = self.fields.iter().position(|(n, _)| *n == HeaderName::Via) else {
            return;
        };
        let value = self.fields[at].1.as_bytes();
        match scan::find_outside(value, b',') {
            Some(comma) => self.fields[at].1 = scan::trim(&value[comma + 1..]).into(),
            None => {
                self.fields.remove(at);
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> {
        self.fields.iter().map(|(n, v)| (n, v.as_bytes()))
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.fields.iter().map(|(n, v)| (n, v)))
            .finish()
    }
}
