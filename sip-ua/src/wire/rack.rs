// SPDX-License-Identifier: MPL-2.0
use super::cseq::CSeq;
use super::header_name::HeaderName;
use super::headers::Headers;
use super::scan;

/// `RAck: 776656 1 INVITE`: which reliable provisional response a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The RSeq of that response.
    pub rseq: u32,
    /// Its CSeq.
    pub cseq: CSeq,
}

impl RAck {
    pub fn parse(text: &[u8]) -> Option<RAck> {
        let text = scan::trim(text);
        let end = text.iter().position(|o| matches!(o, b' ' | b'\t'))?;
        let rseq = response_number(text.get(..end)?)?;
        let cseq = CSeq::parse(text.get(end..)?).ok()?;
        Some(RAck { rseq, cseq })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.rseq.to_string().into_bytes();
        out.push(b' ');
        out.extend_from_slice(&self.cseq.to_bytes());
        out
    }
}

/// The RSeq of a response: from 1 to 2³²−1 (RFC 3262 §7.1). Anything else is none.
pub fn rseq(headers: &Headers) -> Option<u32> {
    response_number(scan::trim(headers.get(HeaderName::RSeq)?))
}

fn response_number(text: &[u8]) -> Option<u32> {
    let number = scan::number(text, u64::from(u32::MAX))?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_prack_may_name() {
        let rack = RAck::parse(b" 4294967295\t 1  INVITE ").unwrap();
        assert_eq!((rack.rseq, rack.cseq.number), (u32::MAX, 1));
        assert_eq!(rack.to_bytes(), b"4294967295 1 INVITE");
        for text in [
            &b""[..],
            b"1",
            b"1 ",
            b"1 2",
            b"0 1 INVITE",
            b"-1 1 INVITE",
            b"4294967296 1 INVITE",
            b"99999999999999999999999999 1 INVITE",
            b"1 99999999999999999999999999 INVITE",
            b"1 1 IN VITE",
        ] {
            assert_eq!(RAck::parse(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn an_rseq_is_no_zero_and_no_overflow() {
        let of = |value: &str| {
            let mut headers = Headers::new();
            headers.push(HeaderName::RSeq, value);
            rseq(&headers)
        };
        assert_eq!(of("1"), Some(1));
        assert_eq!(of("4294967295"), Some(u32::MAX));
        for value in ["", "0", "4294967296", "x", "1 2"] {
            assert_eq!(of(value), None, "{value}");
        }
        assert_eq!(rseq(&Headers::new()), None);
    }
}
