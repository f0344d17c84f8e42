// SPDX-License-Identifier: MPL-2.0
//! `application/trickle-ice-sdpfrag` as a client sends it (RFC 8840 section 9, RFC 9725 section 4.3). No I/O here.

use crate::sfu::Candidate;

/// What of our own description says whose candidates follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    lines: Vec<String>,
}

impl Origin {
    /// That of an offer or answer with one line of media.
    pub(super) fn of(description: &str) -> Origin {
        let first = |start: &str| description.lines().find(|line| line.starts_with(start));
        let starts = ["a=ice-ufrag:", "a=ice-pwd:", "m=", "a=mid:"];
        let lines = starts.into_iter().filter_map(first);
        Origin {
            lines: lines.map(str::to_owned).collect(),
        }
    }

    /// A fragment with this candidate, or that there are no more.
    pub(super) fn fragment(&self, candidate: Option<&Candidate>) -> String {
        let last = match candidate {
            Some(candidate) => format!("a={}", candidate.candidate.trim_start_matches("a=")),
            None => "a=end-of-candidates".to_owned(),
        };
        let lines = self.lines.iter().map(String::as_str).chain([&*last]);
        lines.map(|line| format!("{line}\r\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_says_whose_it_is() {
        let offer = "v=0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
                     m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\n";
        let origin = Origin::of(offer);
        let candidate = Candidate {
            mline_index: 0,
            mid: None,
            candidate: "candidate:1 1 udp 1 192.0.2.1 7000 typ host".to_owned(),
        };
        let before = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
                      m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n";
        assert_eq!(
            origin.fragment(Some(&candidate)),
            format!("{before}a=candidate:1 1 udp 1 192.0.2.1 7000 typ host\r\n")
        );
        assert_eq!(
            origin.fragment(None),
            format!("{before}a=end-of-candidates\r\n")
        );
    }
}
