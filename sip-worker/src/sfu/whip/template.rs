// SPDX-License-Identifier: MPL-2.0
//! URLs of endpoints, in which the room and whoever speaks are named. No I/O here.
//!
//! What a caller says of themselves stands in a URL percent-encoded, whatever it is: it can neither leave its
//! path segment nor add a parameter.

use std::fmt;
use std::fmt::Write as _;

use url::Url;

/// What a `{word}` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Room,
    Participant,
    Name,
    Number,
    Session,
}

const WORDS: [(&str, Word); 5] = [
    ("room", Word::Room),
    ("participant", Word::Participant),
    ("name", Word::Name),
    ("number", Word::Number),
    ("session", Word::Session),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Word(Word),
}

/// The URL of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    parts: Vec<Part>,
    /// Without any value: scheme, host and port are always the same.
    origin: String,
}

/// What a template is filled with.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) room: String,
    pub(super) participant: String,
    pub(super) name: String,
    pub(super) number: String,
    /// The last segment of what WHIP's Location named.
    pub(super) session: String,
}

impl Values {
    fn of(&self, word: Word) -> &str {
        match word {
            Word::Room => &self.room,
            Word::Participant => &self.participant,
            Word::Name => &self.name,
            Word::Number => &self.number,
            Word::Session => &self.session,
        }
    }
}

impl std::str::FromStr for UrlTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<UrlTemplate, String> {
        let wanted = || format!("\"{text}\" is not of the form https://HOST/PATH");
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
        if !matches!(scheme, "http" | "https") {
            return Err(wanted());
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains(['{', '}']) {
            return Err("who calls cannot choose the host: no {word} before the path".to_owned());
        }
        if authority.contains('@') {
            return Err(
                "a password does not stand in a URL; name a file in `token_file`".to_owned(),
            );
        }
        let origin = format!("{scheme}://{authority}/");
        Url::parse(&origin).map_err(|error| format!("\"{text}\" is no URL: {error}"))?;
        let parts = parts(text)?;
        let template = UrlTemplate { parts, origin };
        let any = || "x".to_owned();
        let values = Values {
            room: any(),
            participant: any(),
            name: any(),
            number: any(),
            session: any(),
        };
        template
            .fill(&values)
            .ok_or_else(|| format!("\"{text}\" is no URL"))?;
        Ok(template)
    }
}

fn parts(mut rest: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    while let Some((before, behind)) = rest.split_once('{') {
        parts.push(Part::Text(before.to_owned()));
        let (name, after) = behind
            .split_once('}')
            .ok_or_else(|| format!("\"{{{behind}\" has no }}"))?;
        let known = WORDS.iter().find(|(known, _)| *known == name);
        let (_, word) = known.ok_or_else(|| {
            format!("{{{name}}} is none of {{room}}, {{participant}}, {{name}}, {{number}} and {{session}}")
        })?;
        parts.push(Part::Word(*word));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

impl UrlTemplate {
    /// One that nobody answers at.
    pub fn nowhere() -> UrlTemplate {
        let origin = "http://sfu.invalid/";
        UrlTemplate {
            parts: vec![Part::Text(origin.to_owned())],
            origin: origin.to_owned(),
        }
    }

    /// Whether what is said there is encrypted.
    pub fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Whether each participant has one of their own.
    pub fn is_personal(&self) -> bool {
        let of_room = |part: &Part| matches!(part, Part::Text(_) | Part::Word(Word::Room));
        !self.parts.iter().all(of_room)
    }

    /// Whether it can be filled only once WHIP's session is there.
    pub fn wants_session(&self) -> bool {
        self.parts.contains(&Part::Word(Word::Session))
    }

    /// Where it leads, whoever asks.
    pub(super) fn origin(&self) -> Option<Url> {
        Url::parse(&self.origin).ok()
    }

    /// The URL with these values; none where a value would lead elsewhere.
    pub(super) fn fill(&self, values: &Values) -> Option<Url> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Word(word) => escape(values.of(*word), &mut text),
            }
        }
        let before_query = text.split(['?', '#']).next()?;
        let (_, path) = before_query.split_once("://")?;
        if path.split('/').skip(1).any(is_dots) {
            return None;
        }
        Url::parse(&text).ok()
    }
}

impl fmt::Display for UrlTemplate {
    /// Without what stands behind the `?`, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    let (shown, hidden) = match text.split_once('?') {
                        Some((shown, _)) => (shown, true),
                        None => (text.as_str(), false),
                    };
                    f.write_str(shown)?;
                    if hidden {
                        return Ok(());
                    }
                }
                Part::Word(word) => {
                    let name = WORDS.iter().find(|(_, known)| known == word);
                    write!(f, "{{{}}}", name.map_or("", |(name, _)| name))?;
                }
            }
        }
        Ok(())
    }
}

/// A segment that URL parsers take for "here" or "above", however it is written.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    matches!(plain.as_str(), "." | "..")
}

/// RFC 3986: what is not unreserved is percent-encoded.
fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, participant: &str) -> Option<String> {
        let template: UrlTemplate = template.parse().unwrap();
        let values = Values {
            room: "lobby".to_owned(),
            participant: participant.to_owned(),
            name: participant.to_owned(),
            ..Values::default()
        };
        template.fill(&values).map(|url| url.to_string())
    }

    #[test]
    fn what_callers_say_stays_in_its_place() {
        let template = "https://sfu.example/whip/{room}/{participant}?name={name}";
        for (participant, told) in [
            ("alice", "alice?name=alice"),
            ("a/b", "a%2Fb?name=a%2Fb"),
            ("a?k=1&b#c", "a%3Fk%3D1%26b%23c?name=a%3Fk%3D1%26b%23c"),
            ("%2e%2e", "%252e%252e?name=%252e%252e"),
            ("\r\nHost: x", "%0D%0AHost%3A%20x?name=%0D%0AHost%3A%20x"),
            ("J\u{f6}rg", "J%C3%B6rg?name=J%C3%B6rg"),
            ("{room}", "%7Broom%7D?name=%7Broom%7D"),
        ] {
            let wanted = format!("https://sfu.example/whip/lobby/{told}");
            assert_eq!(filled(template, participant), Some(wanted));
        }
        assert_eq!(filled(template, ".."), None);
        assert_eq!(filled(template, "."), None);
        let doubled = "https://sfu.example/{participant}{participant}/x";
        assert_eq!(filled(doubled, "."), None);
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "sfu.example/whip",
            "ftp://sfu.example/whip",
            "https://{room}.example/whip",
            "https://user:word@sfu.example/whip",
            "https://sfu.example/{who}",
            "https://sfu.example/{room",
            "https:///whip",
            "https://sfu.example/a/../b",
        ] {
            assert!(text.parse::<UrlTemplate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mix_of_ones_own_is_told_from_a_stream_for_all() {
        let of = |text: &str| text.parse::<UrlTemplate>().unwrap();
        assert!(!of("https://sfu.example/{room}/stage").is_personal());
        let mix = of("https://sfu.example/whep/{room}?participant={session}&key=secret");
        assert!(mix.is_personal() && mix.wants_session());
        assert_eq!(mix.to_string(), "https://sfu.example/whep/{room}");
    }
}
