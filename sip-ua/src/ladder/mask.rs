// SPDX-License-Identifier: MPL-2.0
//! A message as people may see it: what proves an identity or opens a stream is masked.

use std::borrow::Cow;

const MASK: &str = "***";

/// Of an answer to a challenge, what tells a wrong account from a wrong realm, and no more.
const DIGEST_SHOWN: [&str; 7] = [
    "username",
    "realm",
    "uri",
    "algorithm",
    "qop",
    "nc",
    "userhash",
];

/// Names of fields of nobody's standard that speak of a secret.
const SECRET_WORDS: [&str; 7] = [
    "token", "secret", "password", "passwd", "cookie", "api-key", "apikey",
];

/// The whole message; `length` is what it was before it was cut.
pub(super) fn message(packet: &[u8], length: usize) -> String {
    let (head, body) = split(packet);
    let head = String::from_utf8_lossy(head);
    let mut out = String::with_capacity(packet.len());
    let lines = unfolded(&head);
    let holds_keys = lines.iter().any(|line| is_of_keys(line));
    for (at, line) in lines.iter().enumerate() {
        let line: String = line.chars().map(blank_control).collect();
        out.push_str(&match at {
            0 => without_uri_passwords(&line).into_owned(),
            _ => field(&line),
        });
        out.push('\n');
    }
    out.push('\n');
    match std::str::from_utf8(body) {
        Ok(text) if !text.chars().any(is_binary) => {
            for line in text.lines().flat_map(|line| line.split('\r')) {
                out.push_str(&match holds_keys {
                    true => key_line(line),
                    false => body_line(line),
                });
                out.push('\n');
            }
        }
        _ => out.push_str(&format!("({} octets that are no text)\n", body.len())),
    }
    if length > packet.len() {
        out.push_str(&format!("({} more octets)\n", length - packet.len()));
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

/// One line that says what the message is.
pub(super) fn summary(packet: &[u8]) -> String {
    let (head, body) = split(packet);
    let head = String::from_utf8_lossy(head);
    let lines = unfolded(&head);
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let mut extra = Vec::new();
    let main = match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let cseq = lines.iter().find_map(|line| value_of(line, "cseq"));
            extra.extend(cseq.and_then(|cseq| cseq.split_whitespace().nth(1)));
            status.to_owned()
        }
        None => {
            let request = first.strip_suffix(" SIP/2.0").unwrap_or(first);
            without_uri_passwords(request).into_owned()
        }
    };
    if body.starts_with(b"v=0") {
        extra.push("SDP");
    }
    let mut text: String = main.chars().map(blank_control).take(100).collect();
    if !extra.is_empty() {
        text = format!("{} ({})", text.trim_end(), extra.join(", "));
    }
    text
}

fn value_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.trim().eq_ignore_ascii_case(name).then_some(value)
}

/// The head with its start line, and the body.
fn split(packet: &[u8]) -> (&[u8], &[u8]) {
    let crlf = memchr::memmem::find(packet, b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = memchr::memmem::find(packet, b"\n\n").map(|at| (at, at + 2));
    let (end, begin) = [crlf, lf]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or((packet.len(), packet.len()));
    (
        packet.get(..end).unwrap_or_default(),
        packet.get(begin..).unwrap_or_default(),
    )
}

/// The lines of a head, each with what was folded onto further lines (RFC 3261 §7.3.1).
fn unfolded(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in head.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        match lines.last_mut() {
            Some(before) if line.starts_with([' ', '\t']) => {
                before.push(' ');
                before.push_str(line.trim());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn field(line: &str) -> String {
    let Some((name, value)) = line.split_once(':') else {
        return without_uri_passwords(line).into_owned();
    };
    let lower = name.trim().to_ascii_lowercase();
    let shown: Cow<'_, str> = match lower.as_str() {
        "authorization"
        | "proxy-authorization"
        | "authentication-info"
        | "proxy-authentication-info" => credentials(value.trim()).into(),
        // A challenge is no secret without its answer.
        "www-authenticate" | "proxy-authenticate" => value.trim().into(),
        _ if SECRET_WORDS.iter().any(|word| lower.contains(word)) => MASK.into(),
        _ => return without_uri_passwords(line).into_owned(),
    };
    format!("{name}: {shown}")
}

/// `Digest username="alice", realm="pbx", response=***`.
fn credentials(value: &str) -> String {
    let (scheme, rest) = match value.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("digest") => (scheme, rest),
        Some((scheme, _)) if !scheme.contains('=') => return format!("{scheme} {MASK}"),
        // Authentication-Info has no scheme.
        _ => ("", value),
    };
    let Some(params) = split_unquoted(rest) else {
        return format!("{scheme} {MASK}");
    };
    let shown: Vec<String> = params
        .iter()
        .map(|param| {
            let Some((name, value)) = param.trim().split_once('=') else {
                return MASK.to_owned();
            };
            let known = DIGEST_SHOWN
                .iter()
                .any(|shown| name.trim().eq_ignore_ascii_case(shown));
            match known && is_one_value(value) {
                true => param.trim().to_owned(),
                false => format!("{name}={MASK}"),
            }
        })
        .collect();
    format!("{scheme} {}", shown.join(", ")).trim().to_owned()
}

/// A token, or one quoted string: not what a quote at the wrong place made of two.
fn is_one_value(value: &str) -> bool {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    !inner.unwrap_or(value).contains('"')
}

/// Split at commas outside quotes; `None` where a quote is never closed.
fn split_unquoted(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(text.get(from..at)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..)?);
    (!quoted).then_some(parts)
}

/// Whether a field says that the body is a key somebody pressed.
fn is_of_keys(line: &str) -> bool {
    let kind = value_of(line, "content-type").or_else(|| value_of(line, "c"));
    kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        ["application/dtmf", "application/dtmf-relay"]
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known))
    })
}

/// `Signal=***`: what is typed may be a PIN.
fn key_line(line: &str) -> String {
    match line.split_once('=') {
        Some((name, _)) if !name.trim().eq_ignore_ascii_case("signal") => line.to_owned(),
        Some((name, _)) => format!("{name}={MASK}"),
        None if line.trim().is_empty() => String::new(),
        None => MASK.to_owned(),
    }
}

/// Keys of SRTP (RFC 4568), MIKEY (RFC 4567), ICE (RFC 8839) and plain SDP (RFC 4566 §5.12).
fn body_line(line: &str) -> String {
    let lower = line.trim_start().to_ascii_lowercase();
    if lower.starts_with("a=crypto") {
        let mut words = line.split_whitespace();
        let kept: Vec<&str> = words.by_ref().take(2).collect();
        return format!("{} inline:{MASK}", kept.join(" "));
    }
    for secret in ["a=key-mgmt:", "a=ice-pwd:", "k="] {
        if lower.starts_with(secret) {
            return format!("{secret}{MASK}");
        }
    }
    without_uri_passwords(line).into_owned()
}

/// `sip:alice:***@host`.
fn without_uri_passwords(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let begins = |scheme: &'static str| {
        let matches = lower.match_indices(scheme);
        matches.map(move |(at, _)| at + scheme.len())
    };
    let mut starts: Vec<usize> = begins("sip:").chain(begins("sips:")).collect();
    starts.sort_unstable();
    let (mut out, mut done) = (String::new(), 0);
    for from in starts {
        let rest = text.get(from..).unwrap_or_default();
        let end = rest.find(['<', '>', '"', ' ', '\t']).unwrap_or(rest.len());
        let user = rest.get(..end).and_then(|uri| uri.rsplit_once('@'));
        let Some((user, _)) = user else { continue };
        let Some((name, _)) = user.split_once(':') else {
            continue;
        };
        let (password, host) = (from + name.len() + 1, from + user.len());
        // A URI within one that was masked already.
        if password < done {
            continue;
        }
        out.push_str(text.get(done..password).unwrap_or_default());
        out.push_str(MASK);
        done = host;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

fn is_binary(c: char) -> bool {
    c.is_control() && !matches!(c, '\r' | '\n' | '\t')
}

fn blank_control(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
