// SPDX-License-Identifier: MPL-2.0
//! The lexical floor every header stands on: characters, white space, quotes and lists.
//! Nothing here looks at UTF-8; octets from 0x80 on are ordinary text.

/// Looked up rather than searched: every octet of every name passes here.
const TOKEN_CHARS: [bool; 256] = {
    let mut table = [false; 256];
    let listed = b"-.!%*_+`'~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut at = 0;
    while at < listed.len() {
        table[listed[at] as usize] = true;
        at += 1;
    }
    table
};

/// `token` of RFC 3261 §25.1.
pub(super) fn is_token_char(octet: u8) -> bool {
    TOKEN_CHARS[usize::from(octet)]
}

const URI_CHARS: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0x21;
    while octet < 256 {
        table[octet] = !matches!(octet as u8, b'<' | b'>' | b'"' | 0x7f);
        octet += 1;
    }
    table
};

/// Whether a URI of any scheme may hold the octet: no blank, quote, bracket or control character.
pub(super) fn may_stand_in_uri(octet: u8) -> bool {
    URI_CHARS[usize::from(octet)]
}

pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_char)
}

/// An octet that ends or splits a line, and so never stands inside a value.
pub(super) fn breaks_line(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n' | 0)
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|o| !is_blank(*o))
        .unwrap_or(text.len());
    &text[start..]
}

pub(super) fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let end = text
        .iter()
        .rposition(|o| !is_blank(*o))
        .map_or(0, |at| at + 1);
    &text[..end]
}

pub(super) fn has_blank(text: &[u8]) -> bool {
    text.iter().copied().any(is_blank)
}

/// Splits at the first `octet`, which belongs to neither half.
pub(super) fn split_once(text: &[u8], octet: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(octet, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Where the quoted string that opens `text` ends: the index after its closing quote.
pub(super) fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The first `wanted` that stands outside quotes and angle brackets.
/// `None` also when a quote or bracket never closes before one is found.
pub(super) fn find_outside(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            octet if octet == wanted => return Some(at),
            b'"' => at += quoted_end(&text[at..])?,
            b'<' => at += 1 + memchr::memchr(b'>', &text[at..])?,
            _ => at += 1,
        }
    }
    None
}

/// The elements of a comma list; commas in quotes and angle brackets do not split.
/// Empty elements are skipped, as RFC 7230 §7 asks of a list's reader.
pub fn split_list(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_outside(text, b',').filter(|element| !element.is_empty())
}

/// The parts of `text` between each `separator` outside quotes and brackets, trimmed.
pub(super) fn split_outside(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find_outside(text, separator) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(trim(&text[..at]))
            }
            None => {
                rest = None;
                Some(trim(text))
            }
        }
    })
}

/// The text of a quoted string, quotes and escapes removed. `None` when it is not one.
pub(super) fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    if text.first() != Some(&b'"') || quoted_end(text) != Some(text.len()) {
        return None;
    }
    let inner = &text[1..text.len() - 1];
    let mut plain = Vec::with_capacity(inner.len());
    let mut octets = inner.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => plain.extend(octets.next()),
            octet => plain.push(*octet),
        }
    }
    Some(plain)
}

/// Writes `text` as a quoted string.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for octet in text {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
}

/// A run of digits as a number of at most `max`. No sign, no blank, no overflow.
pub(super) fn number(text: &[u8], max: u64) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut value = 0u64;
    for digit in text {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        if value > max {
            return None;
        }
    }
    Some(value)
}
