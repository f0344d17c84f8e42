// SPDX-License-Identifier: MPL-2.0
//! What the answer to a REGISTER says.

use std::time::Duration;

use crate::wire::{Contacts, Core, HeaderName, NameAddr, Response, reason_phrase};

/// For how long our binding was granted (§10.2.4, §10.3): what stands at our Contact, else in the
/// Expires header, else what was asked. A registrar may write our Contact in another form.
pub(super) fn granted(core: &Core, contact: &NameAddr, asked: u32) -> u32 {
    let list = match &core.contacts {
        Contacts::List(list) => list.as_slice(),
        Contacts::All => &[],
    };
    let ours = list
        .iter()
        .find(|entry| entry.uri == contact.uri)
        .or(match list {
            [only] => Some(only),
            _ => None,
        });
    ours.and_then(|entry| entry.params.get("expires"))
        .and_then(seconds)
        .or(core.expires)
        .unwrap_or(asked)
}

fn seconds(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

pub(super) fn number(response: &Response, name: HeaderName) -> Option<u32> {
    response.headers.get(name).and_then(seconds)
}

/// `Retry-After: 18000;duration=3600 (Maintenance)` (§20.33).
pub(super) fn pause(response: &Response) -> Option<Duration> {
    let value = response.headers.get(HeaderName::RetryAfter)?;
    let digits: Vec<u8> = value
        .iter()
        .copied()
        .take_while(u8::is_ascii_digit)
        .collect();
    seconds(&digits).map(|seconds| Duration::from_secs(seconds.into()))
}

/// The reason phrase, for people.
pub(super) fn phrase(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.reason);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    match text.is_empty() {
        true => reason_phrase(response.status).to_owned(),
        false => text,
    }
}
