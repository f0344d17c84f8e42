// SPDX-License-Identifier: MPL-2.0
//! Why the far end ended a call, in its own words (RFC 3326).

use std::time::Duration;

use super::Reason;
use super::responses::retry_after;
use crate::wire::{HeaderName, Headers, Params};

/// Nobody has more reasons than this.
const MAX_REASONS: usize = 4;

/// What the message that ends a call says about that.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) reasons: Vec<Reason>,
    pub(super) retry_after: Option<Duration>,
}

impl Said {
    pub(super) fn of(headers: &Headers) -> Said {
        let reasons = headers.list(HeaderName::Reason).filter_map(read);
        Said {
            reasons: reasons.take(MAX_REASONS).collect(),
            retry_after: retry_after(headers),
        }
    }
}

/// `Q.850;cause=16;text="Normal call clearing"`.
fn read(element: &[u8]) -> Option<Reason> {
    let end = element.iter().position(|octet| *octet == b';')?;
    let params = Params::parse(element.get(end + 1..)?)?;
    let cause = std::str::from_utf8(params.get("cause")?).ok()?;
    let text = params.get_unquoted("text").unwrap_or_default();
    let clean = |text: &[u8]| -> String {
        let text = String::from_utf8_lossy(text);
        text.trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect()
    };
    Some(Reason {
        protocol: clean(element.get(..end)?),
        cause: cause.parse().ok()?,
        text: clean(&text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_whatever_stands_beside_them() {
        let mut headers = Headers::new();
        headers.push(
            HeaderName::Reason,
            "Q.850 ;cause=16;text=\"Normal, call \\\"clearing\\\"\", SIP;cause=600, x, Q.850;cause=99999, ;",
        );
        headers.push(HeaderName::Reason, "preemption;cause=1;text=x");
        headers.push(
            HeaderName::RetryAfter,
            "120 (I'm in a meeting);duration=3600",
        );
        let said = Said::of(&headers);
        let reason = |protocol: &str, cause, text: &str| Reason {
            protocol: protocol.to_owned(),
            cause,
            text: text.to_owned(),
        };
        assert_eq!(
            said.reasons,
            [
                reason("Q.850", 16, "Normal, call \"clearing\""),
                reason("SIP", 600, ""),
                reason("preemption", 1, "x"),
            ]
        );
        assert_eq!(said.retry_after, Some(Duration::from_secs(120)));
    }
}
