// SPDX-License-Identifier: MPL-2.0
//! Headers of a trunk's calls: which of a caller's are passed on, and which calls out carry.

use std::fmt;

use sip_ua::endpoint::is_own_header;
use sip_ua::wire::{HeaderName, Request};

use crate::document::Section;
use crate::route::{Part, parts};

/// No caller makes a room or the API hear more of them than this, nor longer ones.
const MOST: usize = 32;
const LONGEST: usize = 256;

/// `headers_in` of a `[[trunk]]`: names of headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderPattern {
    /// This one, whichever way it is spelled.
    Name(HeaderName),
    /// All that begin so, in lower case.
    Beginning(String),
}

impl HeaderPattern {
    /// A name, or the beginning of one with `*` behind.
    pub fn parse(text: &str) -> Result<HeaderPattern, String> {
        let wrong =
            || format!("\"{text}\" is neither a header nor the beginning of some, such as \"X-*\"");
        if let Some(beginning) = text.strip_suffix('*') {
            let token = beginning.is_empty() || HeaderName::parse(beginning.as_bytes()).is_some();
            return match token && !beginning.contains('*') {
                true => Ok(HeaderPattern::Beginning(beginning.to_ascii_lowercase())),
                false => Err(wrong()),
            };
        }
        let name = HeaderName::parse(text.as_bytes()).ok_or_else(wrong)?;
        if text.contains('*') {
            return Err(wrong());
        }
        match is_secret(&name) {
            true => Err(format!("{name} is passed on to nobody")),
            false => Ok(HeaderPattern::Name(name)),
        }
    }

    fn covers(&self, name: &HeaderName) -> bool {
        match self {
            HeaderPattern::Name(known) => known == name,
            HeaderPattern::Beginning(beginning) => {
                let start = name.as_bytes().get(..beginning.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
            }
        }
    }
}

/// Whose answers to challenges these are is nobody's business.
fn is_secret(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Authorization | HeaderName::ProxyAuthorization
    )
}

/// What a trunk passes on.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a>(pub Option<&'a [HeaderPattern]>);

impl Passing<'_> {
    /// Whether routes see it: all, where nothing is said.
    pub fn to_routes(self, name: &HeaderName) -> bool {
        self.0.is_none_or(|patterns| covered(patterns, name))
    }

    /// Whether rooms and events do: `X-` headers, where nothing is said.
    fn to_all(self, name: &HeaderName) -> bool {
        let own = || HeaderPattern::Beginning("x-".to_owned()).covers(name);
        self.0.map_or_else(own, |patterns| covered(patterns, name))
    }

    /// Those that rooms and events see, the first of a name and each in a line.
    pub fn headers(self, request: &Request) -> Vec<(HeaderName, String)> {
        let mut passed: Vec<(HeaderName, String)> = Vec::new();
        for (name, value) in request.headers.iter() {
            let known = passed.iter().any(|(known, _)| known == name);
            if passed.len() < MOST && !known && self.to_all(name) {
                let value = crate::calls::shown(value, LONGEST);
                passed.push((name.clone(), value));
            }
        }
        passed
    }
}

fn covered(patterns: &[HeaderPattern], name: &HeaderName) -> bool {
    !is_secret(name) && patterns.iter().any(|pattern| pattern.covers(name))
}

/// One of `headers_out` of a `[[trunk]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderOut {
    name: HeaderName,
    value: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Attribute),
}

/// What is known of a call out before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    To,
    From,
    Room,
    Participant,
    Trunk,
    Sfu,
    Call,
}

const ATTRIBUTES: [(&str, Attribute); 7] = [
    ("to", Attribute::To),
    ("from", Attribute::From),
    ("room", Attribute::Room),
    ("participant", Attribute::Participant),
    ("trunk", Attribute::Trunk),
    ("sfu", Attribute::Sfu),
    ("call", Attribute::Call),
];

/// The same, of one.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallOut<'a> {
    pub to: &'a str,
    pub from: &'a str,
    pub room: &'a str,
    pub participant: &'a str,
    pub trunk: &'a str,
    pub sfu: &'a str,
    /// Its id here.
    pub call: &'a str,
}

/// A header that cannot be made of a call: what would stand in it came from elsewhere and is no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    header: String,
    attribute: &'static str,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the header {} cannot be made: {{{}}} is not 1 to 128 of A-Z a-z 0-9 . _ - + @",
            self.header, self.attribute
        )
    }
}

impl HeaderOut {
    /// Reads the table: `NAME = "value"`.
    pub(crate) fn all(mut section: Section<'_>) -> Vec<HeaderOut> {
        let mut headers: Vec<HeaderOut> = Vec::new();
        for key in section.keys() {
            let header = section.parsed(&key, |value| HeaderOut::parse(&key, value));
            let Some(header) = header else { continue };
            match headers.iter().any(|known| known.name == header.name) {
                true => section.find(format!("{} stands there twice", header.name)),
                false => headers.push(header),
            }
        }
        section.finish();
        headers
    }

    fn parse(name: &str, value: &str) -> Result<HeaderOut, String> {
        let Some(name) = HeaderName::parse(name.as_bytes()) else {
            return Err(format!("{name:?} is no name of a header"));
        };
        match name {
            HeaderName::PAssertedIdentity => {
                return Err("`asserted_identity` says what stands there".to_owned());
            }
            HeaderName::Replaces | HeaderName::Join | HeaderName::ReferredBy => {
                return Err(format!("{name} belongs to transfers, not to every call"));
            }
            _ if is_own_header(&name) => {
                return Err(format!("{name} is written by the worker itself"));
            }
            _ => {}
        }
        if value.trim().is_empty() || value.contains(char::is_control) {
            return Err("it is empty or holds control characters".to_owned());
        }
        let pieces = parts(value).map_err(|error| error.to_string())?;
        let pieces = pieces.into_iter().map(|part| match part {
            Part::Text(text) => Ok(Piece::Text(text.to_owned())),
            Part::Inside(wanted) => {
                let mut known = ATTRIBUTES.iter();
                let known = known.find(|(known, _)| *known == wanted.trim());
                known.map(|(_, which)| Piece::Value(*which)).ok_or_else(|| {
                    let known = ATTRIBUTES.map(|(known, _)| format!("{{{known}}}"));
                    format!("{{{wanted}}} is none of {}", known.join(", "))
                })
            }
        });
        Ok(HeaderOut {
            name,
            value: pieces.collect::<Result<_, String>>()?,
        })
    }

    /// Its name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value in this call.
    pub fn value(&self, call: &CallOut<'_>) -> Result<String, Unfit> {
        let mut value = String::new();
        for piece in &self.value {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Value(which) => value.push_str(which.of(call).ok_or_else(|| Unfit {
                    header: self.name.to_string(),
                    attribute: which.name(),
                })?),
            }
        }
        Ok(value)
    }
}

impl Attribute {
    fn name(self) -> &'static str {
        let mut known = ATTRIBUTES.iter();
        known
            .find(|(_, which)| *which == self)
            .map_or("", |(name, _)| name)
    }

    /// Of letters that mean nothing in any header, for who asked for the call chose them.
    fn of<'a>(self, call: &CallOut<'a>) -> Option<&'a str> {
        let value = match self {
            Attribute::To => call.to,
            Attribute::From => call.from,
            Attribute::Room => call.room,
            Attribute::Participant => call.participant,
            Attribute::Trunk => call.trunk,
            Attribute::Sfu => call.sfu,
            Attribute::Call => call.call,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
        let fits = (1..=128).contains(&value.len()) && value.chars().all(plain);
        fits.then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Trunk};
    use crate::document::Document;
    use sip_ua::wire::Method;

    fn read(lines: &str) -> Result<Trunk, String> {
        let text = format!("[[trunk]]\nname = \"t\"\nuri = \"sip:carrier.example\"\n{lines}\n");
        match Config::parse(&Document::new("c.toml", text)) {
            Ok(config) => Ok((*config.trunks[0]).clone()),
            Err(findings) => Err(findings.iter().map(|found| format!("{found}\n")).collect()),
        }
    }

    fn passed(trunk: &Trunk) -> Vec<String> {
        let mut request = Request::new(Method::Invite, "sip:1000@192.0.2.1".parse().unwrap());
        for (name, value) in [
            ("f", "<sip:anybody@x.example>;tag=1"),
            ("X-Tenant", "acme"),
            ("x-tenant", "other"),
            ("X-Long", &*"a".repeat(1000)),
            ("P-Charging-Vector", "icid-value=1"),
            ("Authorization", "Digest username=\"u\""),
        ] {
            request.headers.push(name, value);
        }
        let passing = Passing(trunk.headers_in.as_deref());
        let shown = passing.headers(&request).into_iter();
        shown
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }

    #[test]
    fn what_is_named_is_passed_on() {
        let long = format!("X-Long: {}", "a".repeat(LONGEST));
        let tenant = "X-Tenant: acme".to_owned();
        let trunk = |list: &str| read(&format!("headers_in = {list}")).unwrap();
        assert_eq!(passed(&read("").unwrap()), [tenant.clone(), long.clone()]);
        assert_eq!(passed(&trunk("[\"X-*\"]")), [tenant.clone(), long]);
        assert_eq!(passed(&trunk("[\"x-TENANT\"]")), [tenant]);
        assert_eq!(
            passed(&trunk("[\"P-Charging-*\", \"From\"]")),
            [
                "From: <sip:anybody@x.example>;tag=1",
                "P-Charging-Vector: icid-value=1"
            ]
        );
        assert!(passed(&trunk("[]")).is_empty());
        // All, but for what proves who somebody is.
        assert_eq!(passed(&trunk("[\"*\"]")).len(), 4);

        let routes = |lines: &str, name: &str| {
            let trunk = read(lines).unwrap();
            Passing(trunk.headers_in.as_deref()).to_routes(&HeaderName::from(name))
        };
        assert!(routes("", "Subject") && routes("headers_in = [\"s\"]", "Subject"));
        assert!(!routes("headers_in = [\"X-*\"]", "Subject"));
        assert!(!routes("headers_in = [\"*\"]", "Proxy-Authorization"));
    }

    #[test]
    fn a_flood_of_headers_stays_short() {
        let mut request = Request::new(Method::Invite, "sip:1000@192.0.2.1".parse().unwrap());
        for number in 0..200 {
            let (name, value) = (format!("X-{number}"), "a\u{7}".repeat(500));
            request.headers.push(name.as_str(), value);
        }
        let passed = Passing(None).headers(&request);
        assert_eq!(passed.len(), MOST);
        assert!(
            passed
                .iter()
                .all(|(_, value)| *value == "a".repeat(LONGEST))
        );
    }

    const CALL: CallOut<'static> = CallOut {
        to: "+4930123456",
        from: "+15550100",
        room: "lobby",
        participant: "bob",
        trunk: "t",
        sfu: "main",
        call: "00ff",
    };

    #[test]
    fn calls_out_carry_what_is_said() {
        let trunk = read(
            "[trunk.headers_out]\nX-Tenant = \"acme; plan=\\\"gold\\\"\"\nX-Call = \"{call}\"\n\
             P-Charging-Vector = \"icid-value={call};orig-ioi={ trunk }.{room}.{to}.{from}.{participant}.{sfu}\"",
        )
        .unwrap();
        let mut made: Vec<(String, String)> = Vec::new();
        for header in &trunk.headers_out {
            made.push((header.name().to_string(), header.value(&CALL).unwrap()));
        }
        made.sort();
        let wanted = [
            (
                "P-Charging-Vector",
                "icid-value=00ff;orig-ioi=t.lobby.+4930123456.+15550100.bob.main",
            ),
            ("X-Call", "00ff"),
            ("X-Tenant", "acme; plan=\"gold\""),
        ];
        assert_eq!(
            made,
            wanted.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn nobody_writes_headers_by_what_they_ask_for() {
        let trunk = read("headers_out = { X-To = \"a;to={to}\" }").unwrap();
        let long = "1".repeat(129);
        for to in [
            "",
            "1;admin=1",
            "1,2",
            "1\r\nX-Admin: 1",
            "1 2",
            "\"",
            "<sip:a@b>",
            "%0d%0a",
            "é",
            "a=b",
            long.as_str(),
        ] {
            let unfit = trunk.headers_out[0].value(&CallOut { to, ..CALL });
            let why = unfit.unwrap_err().to_string();
            assert!(
                why.starts_with("the header X-To cannot be made: {to} is not"),
                "{to:?}: {why}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let own = "is written by the worker itself";
        for (lines, wanted) in [
            (
                "headers_in = [\"X *\"]",
                "c.toml:4: [[trunk]] \"t\": `headers_in`: \"X *\" is neither",
            ),
            ("headers_in = [\"X-*-Y\"]", "\"X-*-Y\" is neither"),
            ("headers_in = [\"X-**\"]", "\"X-**\" is neither"),
            ("headers_in = [\"\"]", "is neither a header"),
            ("headers_in = [\"X:\"]", "is neither a header"),
            (
                "headers_in = [\"authorization\"]",
                "Authorization is passed on to nobody",
            ),
            (
                "[trunk.headers_out]\nX-A = \"1\"\nVia = \"x\"",
                "c.toml:6: [[trunk]] \"t\" headers_out: `Via`: Via is written",
            ),
            ("headers_out = { From = \"x\" }", own),
            ("headers_out = { f = \"x\" }", own),
            ("headers_out = { t = \"x\" }", own),
            ("headers_out = { Contact = \"x\" }", own),
            ("headers_out = { call-id = \"x\" }", own),
            ("headers_out = { CSeq = \"x\" }", own),
            ("headers_out = { Route = \"x\" }", own),
            ("headers_out = { Record-Route = \"x\" }", own),
            ("headers_out = { Content-Length = \"x\" }", own),
            ("headers_out = { l = \"x\" }", own),
            ("headers_out = { Proxy-Authorization = \"x\" }", own),
            ("headers_out = { Session-Expires = \"x\" }", own),
            ("headers_out = { Replaces = \"x\" }", "belongs to transfers"),
            (
                "headers_out = { P-Asserted-Identity = \"x\" }",
                "`asserted_identity` says",
            ),
            (
                "headers_out = { \"X A\" = \"x\" }",
                "is no name of a header",
            ),
            (
                "headers_out = { \"X-A:\" = \"x\" }",
                "is no name of a header",
            ),
            (
                "headers_out = { \"X-A\\r\\nVia\" = \"x\" }",
                "is no name of a header",
            ),
            ("headers_out = { X-A = \"\" }", "it is empty or holds"),
            (
                "headers_out = { X-A = \"1\\r\\nX-B: 2\" }",
                "holds control characters",
            ),
            (
                "headers_out = { X-A = \"1\\n\" }",
                "holds control characters",
            ),
            (
                "headers_out = { X-A = \"{header.X-B}\" }",
                "{header.X-B} is none of {to}, {from}, {room}",
            ),
            (
                "headers_out = { X-A = \"{to\" }",
                "a brace in \"{to\" is not closed",
            ),
            (
                "headers_out = { X-A = \"1\", x-a = \"2\" }",
                "stands there twice",
            ),
            ("headers_out = { X-A = 1 }", "must be a text"),
        ] {
            let found = read(lines).unwrap_err();
            assert!(found.contains(wanted), "{lines}: {found}");
            assert!(found.starts_with("c.toml:"), "{lines}: {found}");
        }
    }
}
