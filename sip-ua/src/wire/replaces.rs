// SPDX-License-Identifier: MPL-2.0
use super::params::Params;
use super::scan;
use super::uri::{escape_header, header_of};

/// `Replaces: 425928@bobster.example;to-tag=7743;from-tag=6472`: the dialog whose place a new call
/// takes (RFC 3891 §6.1). The tags are as whoever gets the INVITE has them: `to-tag` is its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replaces {
    pub call_id: Vec<u8>,
    pub to_tag: Vec<u8>,
    pub from_tag: Vec<u8>,
    /// Only if that dialog is not answered yet.
    pub early_only: bool,
}

impl Replaces {
    /// `None` where Call-ID or a tag is missing, or a tag stands there twice.
    pub fn parse(text: &[u8]) -> Option<Replaces> {
        let (call_id, params) = scan::split_once(scan::trim(text), b';')?;
        let call_id = scan::trim(call_id);
        let params = Params::parse(params)?;
        let once = |wanted: &str| {
            let mut found = params
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
            let (_, value) = found.next().filter(|_| found.next().is_none())?;
            value.filter(|value| !value.is_empty())
        };
        let word = |octet: &u8| *octet > b' ' && *octet < 0x7f && *octet != b',';
        if call_id.is_empty() || !call_id.iter().all(word) {
            return None;
        }
        Some(Replaces {
            call_id: call_id.to_vec(),
            to_tag: once("to-tag")?.to_vec(),
            from_tag: once("from-tag")?.to_vec(),
            early_only: params.contains("early-only"),
        })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let flag: &[u8] = match self.early_only {
            true => b";early-only",
            false => b"",
        };
        let parts: [&[u8]; 6] = [
            &self.call_id,
            b";to-tag=",
            &self.to_tag,
            b";from-tag=",
            &self.from_tag,
            flag,
        ];
        parts.concat()
    }

    /// As a header component of a URI (RFC 3261 §19.1.1), as it stands in a Refer-To.
    pub fn to_uri_headers(&self) -> Vec<u8> {
        [&b"Replaces="[..], &escape_header(&self.to_bytes())].concat()
    }

    /// Found among the header components of a URI. `Some(None)`: there is one that cannot be read.
    pub fn of_uri_headers(headers: &[u8]) -> Option<Option<Replaces>> {
        let value = header_of(headers, "Replaces")?;
        Some(Replaces::parse(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Replaces> {
        Replaces::parse(text.as_bytes())
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let early = read("98732@sip.example.com;from-tag=r33th4x0r ;to-tag=ff87ff;early-only");
        let early = early.unwrap();
        assert_eq!(early.call_id, b"98732@sip.example.com");
        assert_eq!(
            (&early.to_tag[..], &early.from_tag[..]),
            (&b"ff87ff"[..], &b"r33th4x0r"[..])
        );
        assert!(early.early_only);
        let other = read("12adf2f34456gs5;to-tag=12345;from-tag=54321;x=y").unwrap();
        assert!(!other.early_only);
        assert_eq!(
            other.to_bytes(),
            b"12adf2f34456gs5;to-tag=12345;from-tag=54321"
        );
    }

    #[test]
    fn what_names_no_one_dialog_is_none() {
        for text in [
            "",
            "abc",
            "abc;to-tag=1",
            "abc;from-tag=1",
            "abc;to-tag=1;from-tag=",
            "abc;to-tag=1;from-tag",
            "abc;to-tag=1;to-tag=2;from-tag=3",
            ";to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
            "a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn in_a_uri_all_that_means_something_there_is_escaped() {
        let replaces = read("a%b&c@[2001:db8::1]?=\"x\";to-tag=1+;from-tag=~2").unwrap();
        let written = replaces.to_uri_headers();
        let text = String::from_utf8(written.clone()).unwrap();
        assert_eq!(
            text,
            "Replaces=a%25b%26c%40%5B2001%3Adb8%3A%3A1%5D%3F%3D%22x%22%3Bto-tag%3D1%2B%3Bfrom-tag%3D~2"
        );
        assert_eq!(Replaces::of_uri_headers(&written), Some(Some(replaces)));
        assert_eq!(Replaces::of_uri_headers(b"Subject=x"), None);
        assert_eq!(
            Replaces::of_uri_headers(b"Subject=x&replaces=y"),
            Some(None)
        );
    }
}
