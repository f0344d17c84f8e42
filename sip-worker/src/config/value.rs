// SPDX-License-Identifier: MPL-2.0
//! Values that several tables have.

use std::net::{IpAddr, Ipv6Addr};

use gstsipbridge::call::{DtlsPolicy, DtmfMode};
use sip_ua::sdp::{Codec, SrtpPolicy};

use crate::document::Section;

/// An IP address or a host name (RFC 1123).
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label))
}

/// `HOST`, `HOST:PORT`, and the same with an IPv6 address in brackets (RFC 7064, RFC 7065). Browsers take nothing
/// else, and it is said in a header.
pub(super) fn is_server(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|text| text.split_once(']'));
    let (has_host, port) = match bracketed {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_host(host), port)
        }
    };
    has_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u16>().is_ok_and(|port| port != 0)
}

pub(super) fn number(number: Option<i64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

/// A text that may end in a SIP header: no line breaks or other control characters.
pub(super) fn text(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.parsed(key, |text| {
        if text.is_empty() || text.contains(char::is_control) {
            Err("it is empty or holds control characters")
        } else {
            Ok(text.to_owned())
        }
    })
}

pub(super) fn codec(text: &str) -> Result<Codec, String> {
    Codec::from_name(text).ok_or_else(|| {
        let known = Codec::ALL.map(|codec| format!("\"{}\"", codec.name().to_ascii_lowercase()));
        format!("\"{text}\" is none of {}", known.join(", "))
    })
}

pub(super) fn srtp(section: &mut Section<'_>) -> SrtpPolicy {
    let policy = section.parsed("srtp", |name| {
        SrtpPolicy::from_name(name).ok_or_else(|| {
            let known = SrtpPolicy::ALL.map(|policy| format!("\"{}\"", policy.name()));
            format!("\"{name}\" is none of {}", known.join(", "))
        })
    });
    policy.unwrap_or_default()
}

pub(super) fn dtls(section: &mut Section<'_>) -> DtlsPolicy {
    let policy = section.parsed("dtls", |name| {
        DtlsPolicy::from_name(name).ok_or_else(|| {
            let known = DtlsPolicy::ALL.map(|policy| format!("\"{}\"", policy.as_str()));
            format!("\"{name}\" is none of {}", known.join(", "))
        })
    });
    policy.unwrap_or_default()
}

pub(super) fn dtmf(section: &mut Section<'_>) -> DtmfMode {
    let mode = section.parsed("dtmf", |name| {
        DtmfMode::from_name(name).ok_or_else(|| {
            let known = DtmfMode::ALL.map(|mode| format!("\"{}\"", mode.as_str()));
            format!("\"{name}\" is none of {}", known.join(", "))
        })
    });
    mode.unwrap_or_default()
}
