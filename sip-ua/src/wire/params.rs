// SPDX-License-Identifier: MPL-2.0
use std::borrow::Cow;
use std::fmt;

use super::scan;

/// The `;name=value` parameters of a URI, an address or a Via, in order. Names are case-blind;
/// values keep their octets, quotes and escapes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params {
    items: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Params {
    pub fn new() -> Params {
        Params::default()
    }

    /// Reads what follows the first `;`. `None` when a name is missing or a quote stays open.
    pub(super) fn parse(text: &[u8]) -> Option<Params> {
        let mut items = Vec::new();
        let mut rest = text;
        loop {
            let end = value_end(rest)?;
            let item = scan::trim(&rest[..end]);
            let (name, value) = match scan::split_once(item, b'=') {
                Some((name, value)) => (scan::trim(name), Some(scan::trim(value))),
                None => (item, None),
            };
            if !name_is_sane(name) || !value.is_none_or(value_is_sane) {
                return None;
            }
            items.push((name.to_vec(), value.map(<[u8]>::to_vec)));
            match rest.get(end + 1..) {
                Some(next) => rest = next,
                None => return Some(Params { items }),
            }
        }
    }

    /// The raw value of `name`; empty for a parameter without one.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self
            .items
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.as_deref().unwrap_or_default())
    }

    /// The value of `name` with the quotes and escapes of a quoted string removed.
    pub fn get_unquoted(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let value = self.get(name)?;
        Some(scan::unquote(value).map_or(Cow::Borrowed(value), Cow::Owned))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets `name`, in its place if it is there already. The value is raw: see
    /// [`Params::set_quoted`] for text that is not a token.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.put(name, Some(value.into()));
    }

    /// Sets `name` to a quoted string.
    pub fn set_quoted(&mut self, name: &str, text: &[u8]) {
        let mut value = Vec::with_capacity(text.len() + 2);
        scan::push_quoted(&mut value, text);
        self.put(name, Some(value));
    }

    /// Sets `name` without a value, as in `;lr`.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    fn put(&mut self, name: &str, value: Option<Vec<u8>>) {
        match self
            .items
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
        {
            Some(item) => item.1 = value,
            None => self.items.push((name.as_bytes().to_vec(), value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.items
            .retain(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.items.iter().map(|(n, v)| (n.as_slice(), v.as_deref()))
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.items {
            out.push(b';');
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
    }
}

/// Where this parameter ends: at the next `;` outside quotes, or at the end.
fn value_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b';' => return Some(at),
            b'"' => at += scan::quoted_end(&text[at..])?,
            _ => at += 1,
        }
    }
    Some(text.len())
}

fn name_is_sane(name: &[u8]) -> bool {
    // URI parameters may use `[]/:&+$` in a name as well as token characters (paramchar).
    !name.is_empty()
        && name
            .iter()
            .all(|o| scan::is_token_char(*o) || b"[]/:&$".contains(o))
}

fn value_is_sane(value: &[u8]) -> bool {
    match value.first() {
        None => true,
        Some(b'"') => scan::quoted_end(value) == Some(value.len()),
        Some(_) => !value
            .iter()
            .any(|o| *o <= b' ' || matches!(o, 0x7f | b'"' | b'<' | b'>' | b',')),
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        write!(f, "{:?}", String::from_utf8_lossy(&out))
    }
}
