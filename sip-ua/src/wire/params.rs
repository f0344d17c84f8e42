// SPDX-License-Identifier: MPL-2.0
use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::scan;

/// The `;name=value` parameters of a URI, an address or a Via, in order. Names are case-blind;
/// values keep their octets, quotes and escapes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params {
    /// As they are written, without blanks: most are read and written again and never looked at,
    /// so taking them apart waits until one is asked for.
    /// In place where it is short, as most tags are.
    text: SmallVec<[u8; 24]>,
}

impl Params {
    pub fn new() -> Params {
        Params::default()
    }

    /// Reads what follows the first `;`. `None` when a name is missing or a quote stays open.
    pub fn parse(text: &[u8]) -> Option<Params> {
        let mut params = Params {
            text: SmallVec::with_capacity(text.len() + 1),
        };
        let mut rest = text;
        loop {
            let end = value_end(rest)?;
            let (name, value) = halves(&rest[..end]);
            let (name, value) = (scan::trim(name), value.map(scan::trim));
            if !name_is_sane(name) || !value.is_none_or(value_is_sane) {
                return None;
            }
            params.append(name, value);
            match rest.get(end + 1..) {
                Some(next) => rest = next,
                None => return Some(params),
            }
        }
    }

    /// The raw value of `name`; empty for a parameter without one.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.unwrap_or_default())
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
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.put(name, Some(value.as_ref()));
    }

    /// Sets `name` to a quoted string.
    pub fn set_quoted(&mut self, name: &str, text: &[u8]) {
        let mut value = Vec::with_capacity(text.len() + 2);
        scan::push_quoted(&mut value, text);
        self.put(name, Some(&value));
    }

    /// Sets `name` without a value, as in `;lr`.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    fn put(&mut self, name: &str, value: Option<&[u8]>) {
        let name = name.as_bytes();
        if !self.contains_octets(name) {
            self.append(name, value);
            return;
        }
        let old = std::mem::take(self);
        for (n, v) in old.iter() {
            if !n.eq_ignore_ascii_case(name) {
                self.append(n, v);
            } else if !self.contains_octets(name) {
                self.append(n, value);
            }
        }
    }

    fn contains_octets(&self, name: &[u8]) -> bool {
        self.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn append(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.text.push(b';');
        self.text.extend_from_slice(name);
        if let Some(value) = value {
            self.text.push(b'=');
            self.text.extend_from_slice(value);
        }
    }

    pub fn remove(&mut self, name: &str) {
        let old = std::mem::take(self);
        for (n, v) in old
            .iter()
            .filter(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()))
        {
            self.append(n, v);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut rest = self.text.strip_prefix(b";");
        std::iter::from_fn(move || {
            let text = rest?;
            let end = value_end(text).unwrap_or(text.len());
            rest = text.get(end + 1..);
            Some(halves(&text[..end]))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text);
    }
}

/// Where this parameter ends: at the next `;` outside quotes, or at the end. `None` when a quote
/// stays open.
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

fn halves(item: &[u8]) -> (&[u8], Option<&[u8]>) {
    match scan::split_once(item, b'=') {
        Some((name, value)) => (name, Some(value)),
        None => (item, None),
    }
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
        // Not in the grammar, but `;rport=` and `;tag=` are seen.
        None => true,
        Some(b'"') => scan::quoted_end(value) == Some(value.len()),
        Some(_) => !value
            .iter()
            .any(|o| *o <= b' ' || matches!(o, 0x7f | b'"' | b'<' | b'>' | b',')),
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.text))
    }
}
