// SPDX-License-Identifier: MPL-2.0
use std::fmt;
use std::str::FromStr;

use super::params::Params;
use super::scan;
use super::uri::Uri;

/// The text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an address: {why}")]
pub struct AddressError {
    text: String,
    why: &'static str,
}

/// A `name-addr` or `addr-spec` with the parameters of its header: From, To, Contact, Route, …
#[derive(Clone, PartialEq)]
pub struct NameAddr {
    /// The display name, quotes and escapes removed.
    pub display: Option<Vec<u8>>,
    pub uri: Uri,
    pub params: Params,
}

impl NameAddr {
    pub fn parse(text: &[u8]) -> Result<NameAddr, AddressError> {
        NameAddr::read(text).map_err(|why| AddressError {
            text: String::from_utf8_lossy(text).into_owned(),
            why,
        })
    }

    pub(super) fn read(text: &[u8]) -> Result<NameAddr, &'static str> {
        let text = scan::trim(text);
        let (display, rest) = match text.first().ok_or("it is empty")? {
            b'"' => {
                let end = scan::quoted_end(text).ok_or("a quoted string is left open")?;
                let rest = scan::trim_start(&text[end..]);
                if rest.first() != Some(&b'<') {
                    return Err("no <URI> follows the quoted display name");
                }
                (scan::unquote(&text[..end]), rest)
            }
            b'<' => (None, text),
            _ => match scan::split_once(text, b'<') {
                Some((display, _)) => {
                    let rest = &text[display.len()..];
                    let display = scan::trim(display);
                    if !display.iter().all(|o| display_char(*o)) {
                        return Err("its display name needs quotes");
                    }
                    (Some(display.to_vec()), rest)
                }
                None => return NameAddr::read_addr_spec(text),
            },
        };
        let close = memchr::memchr(b'>', rest).ok_or("an angle bracket is left open")?;
        let uri = Uri::read(&rest[1..close])?;
        let params = read_params(&rest[close + 1..])?;
        Ok(NameAddr {
            display,
            uri,
            params,
        })
    }

    /// Without angle brackets every parameter belongs to the header, and a URI that holds a comma
    /// or a question mark may not be written so (RFC 3261 §20.10).
    fn read_addr_spec(text: &[u8]) -> Result<NameAddr, &'static str> {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let (uri, params) = text.split_at(end);
        if uri.iter().any(|o| matches!(o, b',' | b'?')) {
            return Err("a URI with a comma or a question mark must stand in angle brackets");
        }
        let uri = Uri::read(scan::trim(uri))?;
        Ok(NameAddr {
            display: None,
            uri,
            params: read_params(params)?,
        })
    }

    pub fn tag(&self) -> Option<&[u8]> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    pub fn set_tag(&mut self, tag: &[u8]) {
        self.params.set("tag", tag);
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        if let Some(display) = self
            .display
            .as_deref()
            .filter(|display| !display.is_empty())
        {
            scan::push_quoted(&mut out, display);
            out.push(b' ');
        }
        out.push(b'<');
        self.uri.write(&mut out);
        out.push(b'>');
        self.params.write(&mut out);
        out
    }
}

/// The value of a To with a tag, in which all else stays as it was; `None` where it has one, or is no
/// address.
pub(crate) fn tagged(value: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
    let name_ends = match value.first()? {
        b'"' => scan::quoted_end(value)?,
        _ => 0,
    };
    let uri_ends = match memchr::memchr2(b'<', b';', value.get(name_ends..)?) {
        Some(at) if value.get(name_ends + at) == Some(&b'<') => {
            let open = name_ends + at;
            open + memchr::memchr(b'>', value.get(open..)?)? + 1
        }
        Some(at) => name_ends + at,
        None => value.len(),
    };
    let mut params = read_params(value.get(uri_ends..)?).ok()?;
    if params.get("tag").is_some_and(|tag| !tag.is_empty()) {
        return None;
    }
    params.set("tag", tag);
    let mut out = value.get(..uri_ends)?.to_vec();
    params.write(&mut out);
    Some(out)
}

/// Tokens and blanks, and any octet beyond ASCII: unquoted Latin-1 names exist.
fn display_char(octet: u8) -> bool {
    scan::is_token_char(octet) || matches!(octet, b' ' | b'\t' | 0x80..)
}

fn read_params(text: &[u8]) -> Result<Params, &'static str> {
    let text = scan::trim(text);
    if text.is_empty() {
        return Ok(Params::new());
    }
    let params = text
        .strip_prefix(b";")
        .ok_or("something other than ;parameters follows it")?;
    Params::parse(params).ok_or("its parameters are malformed")
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> NameAddr {
        NameAddr {
            display: None,
            uri,
            params: Params::new(),
        }
    }
}

impl FromStr for NameAddr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<NameAddr, AddressError> {
        NameAddr::parse(text.as_bytes())
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
