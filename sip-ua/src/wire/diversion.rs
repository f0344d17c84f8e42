// SPDX-License-Identifier: MPL-2.0
use std::borrow::Cow;

use super::address::{AddressError, NameAddr};
use super::scan;

/// `Diversion: <sip:+15550100@carrier.example>;reason=no-answer;counter=1`: somebody who was called
/// and sent the call on (RFC 5806). The topmost is the latest.
#[derive(Clone, Debug, PartialEq)]
pub struct Diversion {
    /// Who sent it on, with all parameters as they came.
    pub address: NameAddr,
}

impl Diversion {
    pub fn parse(text: &[u8]) -> Result<Diversion, AddressError> {
        NameAddr::parse(text).map(|address| Diversion { address })
    }

    /// `unconditional`, `no-answer`, `user-busy`, … in the words of whoever wrote it.
    pub fn reason(&self) -> Option<Cow<'_, [u8]>> {
        self.address.params.get_unquoted("reason")
    }

    /// How many diversions this stands for; one where nothing is said.
    pub fn counter(&self) -> u32 {
        let stated = self.address.params.get_unquoted("counter");
        stated
            .and_then(|text| scan::number(&text, u64::from(u32::MAX)))
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1)
    }

    /// Whether nobody outside the network may learn who that is (§5.6): `full` and `uri`.
    pub fn hides_address(&self) -> bool {
        let privacy = self.address.params.get_unquoted("privacy");
        privacy.is_some_and(|privacy| {
            privacy.eq_ignore_ascii_case(b"full") || privacy.eq_ignore_ascii_case(b"uri")
        })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.address.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_quoted_or_not_and_kept() {
        let text = b"\"Desk\" <sip:+15550100@carrier.example;user=phone>;reason=\"no-answer\";\
            counter=2;privacy=off;screen=yes;limit=3";
        let read = Diversion::parse(text).unwrap();
        assert_eq!(read.address.uri.user_decoded().unwrap(), b"+15550100");
        assert_eq!(read.reason().as_deref(), Some(&b"no-answer"[..]));
        assert_eq!((read.counter(), read.hides_address()), (2, false));
        assert_eq!(Diversion::parse(&read.to_bytes()).unwrap(), read);
        assert_eq!(read.address.params.get("limit"), Some(&b"3"[..]));
    }

    #[test]
    fn what_is_not_said_or_makes_no_sense_has_a_default() {
        let bare = Diversion::parse(b"tel:+15550100;counter=-1;privacy=full").unwrap();
        assert_eq!((bare.counter(), bare.reason()), (1, None));
        assert!(bare.hides_address());
        assert!(Diversion::parse(b"<<").is_err());
        assert!(Diversion::parse(b"").is_err());
    }
}
