// SPDX-License-Identifier: MPL-2.0
//! `application/trickle-ice-sdpfrag` (RFC 8840 section 9): what changes about ICE during a session.

use std::fmt::Write as _;

use gstsipbridge::rtc::description::Credentials;

use crate::sfu::Candidate;

/// RFC 8839 section 5.4
const UFRAG: std::ops::RangeInclusive<usize> = 4..=256;
const PASSWORD: std::ops::RangeInclusive<usize> = 22..=256;
/// More than a browser on any machine has.
const CANDIDATES_MAX: usize = 100;

/// A fragment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Whose candidates they are; new ones begin ICE anew.
    pub credentials: Option<Credentials>,
    pub candidates: Vec<Candidate>,
}

/// Why a fragment cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    #[error("line {0} is not of the form TYPE=VALUE")]
    NoLine(usize),
    #[error("line {0} is no {1} (RFC 8839 section 5.4)")]
    Credential(usize, &'static str),
    #[error("ice-ufrag and ice-pwd stand together or not at all")]
    HalfCredentials,
    #[error("there are more than {CANDIDATES_MAX} candidates")]
    TooMany,
}

impl Fragment {
    /// Reads one. Attributes that say nothing about ICE are passed over.
    pub fn read(text: &str) -> Result<Fragment, FragmentError> {
        let (mut ufrag, mut password) = (None, None);
        let mut candidates = Vec::new();
        let mut lines_of_media = 0;
        let mut mid = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if line.trim().is_empty() {
                continue;
            }
            let (kind, value) = line.split_once('=').ok_or(FragmentError::NoLine(number))?;
            if kind == "m" {
                (lines_of_media, mid) = (lines_of_media + 1, None);
            }
            if kind != "a" {
                continue;
            }
            let (name, of) = value.split_once(':').unwrap_or((value, ""));
            match name {
                "ice-ufrag" => ufrag = Some(credential(number, of, UFRAG, "ice-ufrag")?),
                "ice-pwd" => password = Some(credential(number, of, PASSWORD, "ice-pwd")?),
                "mid" => mid = Some(of.trim().to_owned()),
                "candidate" if candidates.len() == CANDIDATES_MAX => {
                    return Err(FragmentError::TooMany);
                }
                "candidate" => candidates.push(Candidate {
                    mline_index: u32::max(lines_of_media, 1) - 1,
                    mid: mid.clone(),
                    candidate: value.trim().to_owned(),
                }),
                _ => {}
            }
        }
        let credentials = match (ufrag, password) {
            (Some(ufrag), Some(password)) => Some(Credentials { ufrag, password }),
            (None, None) => None,
            _ => return Err(FragmentError::HalfCredentials),
        };
        Ok(Fragment {
            credentials,
            candidates,
        })
    }

    /// What answers a restart: who we are now, and where (RFC 9725 section 4.3.3).
    pub fn restarted(credentials: &Credentials, candidates: &[String]) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "a=ice-options:trickle\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            credentials.ufrag, credentials.password
        );
        for candidate in candidates {
            let _ = write!(text, "a={candidate}\r\n");
        }
        text.push_str("a=end-of-candidates\r\n");
        text
    }
}

/// `ice-char` of RFC 8839, so many of them.
fn credential(
    number: usize,
    value: &str,
    length: std::ops::RangeInclusive<usize>,
    name: &'static str,
) -> Result<String, FragmentError> {
    let value = value.trim();
    let ice_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    match length.contains(&value.len()) && value.bytes().all(ice_char) {
        true => Ok(value.to_owned()),
        false => Err(FragmentError::Credential(number, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9725 section 4.3.2, its example.
    const TRICKLE: &str = "a=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:0\r\n\
        a=ice-ufrag:EsAw\r\n\
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
        a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn candidates_come_with_their_line() {
        let read = Fragment::read(TRICKLE).unwrap();
        assert_eq!(read.credentials.unwrap().ufrag, "EsAw");
        assert_eq!(read.candidates.len(), 2);
        assert_eq!(read.candidates[1].mid.as_deref(), Some("0"));
        assert_eq!(read.candidates[1].mline_index, 0);
        assert!(
            read.candidates[0]
                .candidate
                .starts_with("candidate:1387637174 1 udp")
        );
    }

    #[test]
    fn a_restart_is_read_as_it_is_written() {
        let ours = Credentials {
            ufrag: "ufrag".to_owned(),
            password: "0123456789abcdefghij+/".to_owned(),
        };
        let host = "candidate:1 1 udp 1 192.0.2.1 7000 typ host".to_owned();
        let read =
            Fragment::read(&Fragment::restarted(&ours, std::slice::from_ref(&host))).unwrap();
        assert_eq!(read.credentials, Some(ours));
        assert_eq!(read.candidates[0].candidate, host);
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        for (text, wanted) in [
            ("hello", FragmentError::NoLine(1)),
            ("a=ice-ufrag:EsAw\r\n", FragmentError::HalfCredentials),
            (
                "\r\na=ice-ufrag:E s\r\n",
                FragmentError::Credential(2, "ice-ufrag"),
            ),
            (
                "a=ice-pwd:short\r\n",
                FragmentError::Credential(1, "ice-pwd"),
            ),
        ] {
            assert_eq!(Fragment::read(text), Err(wanted), "{text:?}");
        }
        let many = "a=candidate:1\r\n".repeat(CANDIDATES_MAX + 1);
        assert_eq!(Fragment::read(&many), Err(FragmentError::TooMany));
        assert_eq!(Fragment::read(""), Ok(Fragment::default()));
    }
}
