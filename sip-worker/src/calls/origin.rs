// SPDX-License-Identifier: MPL-2.0
//! What a call in says of who calls and how it came here, as the API tells it.

use serde::{Deserialize, Serialize};
use sip_ua::wire::{Diversion, HistoryEntry, Identity, NameAddr, Origin, Uri};

/// No caller makes the table longer than this, whatever they send.
const MOST: usize = 10;
const LONGEST: usize = 256;
/// Tokens are long: a signature and a URI besides what they claim.
const LONGEST_TOKEN: usize = 2048;

/// Who calls, by the headers that say so. Only `asserted` is more than the sender's own word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginInfo {
    /// What a trusted trunk asserts: P-Asserted-Identity, as URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asserted: Vec<String>,
    /// What the caller would like to be called: P-Preferred-Identity, as URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<String>,
    /// What the caller wants to be kept from others, in the words of Privacy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub privacy: Vec<String>,
    /// The number that sent the call on last, by Diversion or History-Info.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverted_by: Option<String>,
    /// Diversion, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diversion: Vec<DiversionInfo>,
    /// History-Info, the last target last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryInfo>,
    /// Identity (STIR/SHAKEN).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stir: Vec<StirInfo>,
}

/// One Diversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiversionInfo {
    /// Who sent the call on.
    pub uri: String,
    /// Why, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many diversions it stands for.
    pub count: u32,
}

/// One target of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryInfo {
    /// The target.
    pub uri: String,
    /// Its place in the tree of targets, such as `1.2`.
    pub index: String,
    /// The SIP status for which it was given up, or for which the call was sent on to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u16>,
}

/// One Identity header. Nobody here has verified it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StirInfo {
    /// Always false: the signature was not looked at.
    pub verified: bool,
    /// `A`, `B` or `C`, as it claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<String>,
    /// The caller, as it claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orig: Option<String>,
    /// Whom they called, as it claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dest: Vec<String>,
    /// Who sent the call on, as it claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub div: Option<String>,
    /// The signer's name for where the call came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origid: Option<String>,
    /// When it was signed, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The header itself, for whoever verifies it. Absent where it is longer than 2048 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl OriginInfo {
    /// `None` where only From says anything.
    pub(super) fn of(origin: &Origin) -> Option<Box<OriginInfo>> {
        let uris = |addresses: &[NameAddr]| {
            let addresses = addresses.iter().take(MOST);
            addresses.map(|address| uri(&address.uri)).collect()
        };
        let privacy = origin.privacy.values().take(MOST);
        let told = OriginInfo {
            asserted: uris(&origin.asserted),
            preferred: uris(&origin.preferred),
            privacy: privacy.map(text).collect(),
            diverted_by: origin
                .diverted_by()
                .map(|(uri, _)| super::dialin::user_of(&uri)),
            diversion: some(&origin.diversions, DiversionInfo::of),
            history: some(&origin.history, HistoryInfo::of),
            stir: some(&origin.identities, StirInfo::of),
        };
        (told != OriginInfo::default()).then(|| Box::new(told))
    }
}

impl DiversionInfo {
    fn of(diversion: &Diversion) -> DiversionInfo {
        DiversionInfo {
            uri: uri(&diversion.address.uri),
            reason: diversion.reason().map(|reason| text(&reason)),
            count: diversion.counter(),
        }
    }
}

impl HistoryInfo {
    fn of(entry: &HistoryEntry) -> HistoryInfo {
        let index: Vec<String> = entry.index.iter().map(u32::to_string).collect();
        HistoryInfo {
            uri: uri(&entry.target()),
            index: text(index.join(".").as_bytes()),
            cause: entry
                .given_up_because()
                .or_else(|| entry.diverted_here_because()),
        }
    }
}

impl StirInfo {
    fn of(identity: &Identity) -> StirInfo {
        let claims = identity.claims.clone().unwrap_or_default();
        let line = |claim: Option<String>| claim.map(|claim| text(claim.as_bytes()));
        StirInfo {
            verified: false,
            attestation: claims.attestation.map(|level| level.as_str().to_owned()),
            orig: line(claims.orig),
            dest: some(&claims.dest, |dest| text(dest.as_bytes())),
            div: line(claims.div),
            origid: line(claims.origid),
            iat: claims.issued_at,
            token: (identity.text.len() <= LONGEST_TOKEN)
                .then(|| shown(&identity.text, LONGEST_TOKEN)),
        }
    }
}

fn some<T, U>(all: &[T], of: impl Fn(&T) -> U) -> Vec<U> {
    all.iter().take(MOST).map(of).collect()
}

fn uri(uri: &Uri) -> String {
    text(&uri.to_bytes())
}

fn text(octets: &[u8]) -> String {
    shown(octets, LONGEST)
}

/// One line of at most so many characters, whatever stands there.
pub(crate) fn shown(octets: &[u8], longest: usize) -> String {
    String::from_utf8_lossy(octets)
        .chars()
        .filter(|c| !c.is_control())
        .take(longest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_ua::wire::Headers;

    fn told(lines: &[(&str, &str)]) -> Option<serde_json::Value> {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, *value);
        }
        let info = OriginInfo::of(&Origin::read(&headers, true))?;
        Some(serde_json::to_value(info).unwrap())
    }

    #[test]
    fn all_that_a_carrier_says_is_told() {
        // {"attest":"B","dest":{"tn":["15550100"]},"iat":1443208345,"orig":{"tn":"15550123"}}
        let token = "e30.eyJhdHRlc3QiOiJCIiwiZGVzdCI6eyJ0biI6WyIxNTU1MDEwMCJdfSwiaWF0IjoxNDQzMjA4MzQ1LCJvcmlnIjp7InRuIjoiMTU1NTAxMjMifX0.c2ln";
        let told = told(&[
            ("From", "<sip:anonymous@anonymous.invalid>;tag=1"),
            ("P-Asserted-Identity", "\"Bob\" <sip:+15550123@c.example>"),
            ("P-Preferred-Identity", "<tel:+15550124>"),
            ("Privacy", "id;critical"),
            ("Diversion", "<sip:+15550199@c.example>;reason=user-busy"),
            (
                "History-Info",
                "<sip:a@x?Reason=SIP%3Bcause%3D486>;index=1, <sip:b@x>;index=1.1",
            ),
            ("Identity", token),
        ]);
        assert_eq!(
            told.unwrap(),
            serde_json::json!({
                "asserted": ["sip:+15550123@c.example"],
                "preferred": ["tel:+15550124"],
                "privacy": ["id", "critical"],
                "diverted_by": "+15550199",
                "diversion": [
                    {"uri": "sip:+15550199@c.example", "reason": "user-busy", "count": 1}
                ],
                "history": [
                    {"uri": "sip:a@x", "index": "1", "cause": 486},
                    {"uri": "sip:b@x", "index": "1.1"}
                ],
                "stir": [{
                    "verified": false,
                    "attestation": "B",
                    "orig": "15550123",
                    "dest": ["15550100"],
                    "iat": 1_443_208_345,
                    "token": token
                }]
            })
        );
        assert_eq!(self::told(&[("From", "<sip:a@x>")]), None);
    }

    #[test]
    fn a_flood_of_headers_stays_short() {
        let long = format!("<sip:{}@x>;index=1", "a".repeat(5000));
        let lines: Vec<(&str, &str)> = vec![("History-Info", &long); 60];
        let told = told(&lines).unwrap();
        assert!(told.to_string().len() < 4000);
    }
}
