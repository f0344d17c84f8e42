// SPDX-License-Identifier: MPL-2.0
//! Names of rooms and participants, made of what is known of a call.

use std::fmt::Write;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{ANONYMOUS, Facts};

/// A name with `{…}` in it: `{header.X-Room-ID|call_id}` is the header's value, or the Call-ID where
/// there is none (or it is empty). Also `{to}`, `{from}`, `{trunk}`, `{user}`, `{diverted_by}`,
/// `{attestation}`. A caller who wants to be hidden has no `{from}`; where it stands alone it is
/// `anonymous`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The first that is there.
    Value(Vec<Fact>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fact {
    To,
    From,
    DivertedBy,
    Attestation,
    Trunk,
    User,
    CallId,
    Header(String),
}

/// Why a template makes no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its other half.
    #[error("a brace in \"{0}\" is not closed, or not opened")]
    Brace(String),
    /// `{what}` is unknown.
    #[error(
        "{{{0}}} is unknown; {{to}}, {{from}}, {{trunk}}, {{user}}, {{call_id}}, {{diverted_by}}, {{attestation}} and {{header.NAME}} are known"
    )]
    Unknown(String),
    /// The text around holds what no name may.
    #[error("\"{0}\" holds characters other than A-Z a-z 0-9 . _ -")]
    Text(String),
    /// None of the alternatives is there.
    #[error("the call has none of {0}")]
    Absent(String),
    /// What came out is not a name.
    #[error("{0} is not 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name(String),
}

/// The longest name.
const LONGEST: usize = 64;

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// A part of a text with braces in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Never empty.
    Text(&'a str),
    /// What stands between a brace and its other half.
    Inside(&'a str),
}

/// Takes a text apart at its braces.
pub(crate) fn parts(text: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let open = rest.find('{').unwrap_or(rest.len());
        let (literal, after) = rest.split_at(open);
        if literal.contains('}') {
            return Err(TemplateError::Brace(text.to_owned()));
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        let Some(inside) = after.strip_prefix('{') else {
            break;
        };
        let Some((inside, after)) = inside.split_once('}') else {
            return Err(TemplateError::Brace(text.to_owned()));
        };
        parts.push(Part::Inside(inside));
        rest = after;
    }
    Ok(parts)
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Template, TemplateError> {
        let mut pieces = Vec::new();
        for part in parts(text)? {
            match part {
                Part::Text(literal) if !literal.chars().all(allowed) => {
                    return Err(TemplateError::Text(literal.to_owned()));
                }
                Part::Text(literal) => pieces.push(Piece::Text(literal.to_owned())),
                Part::Inside(facts) => {
                    let facts: Result<Vec<Fact>, TemplateError> =
                        facts.split('|').map(fact).collect();
                    pieces.push(Piece::Value(facts?));
                }
            }
        }
        if pieces.is_empty() {
            return Err(TemplateError::Name("an empty text".to_owned()));
        }
        Ok(Template(pieces))
    }
}

fn fact(name: &str) -> Result<Fact, TemplateError> {
    let name = name.trim();
    match name {
        "to" => Ok(Fact::To),
        "from" => Ok(Fact::From),
        "diverted_by" => Ok(Fact::DivertedBy),
        "attestation" => Ok(Fact::Attestation),
        "trunk" => Ok(Fact::Trunk),
        "user" => Ok(Fact::User),
        "call_id" => Ok(Fact::CallId),
        _ => match name.strip_prefix("header.") {
            Some(header) if !header.is_empty() => Ok(Fact::Header(header.to_owned())),
            _ => Err(TemplateError::Unknown(name.to_owned())),
        },
    }
}

impl Template {
    /// The name it makes of a call. Nothing else ever comes out than 1 to 64 of `A-Za-z0-9._-`.
    pub fn name(&self, facts: &Facts) -> Result<String, TemplateError> {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Value(alternatives) => {
                    let value = alternatives
                        .iter()
                        .find_map(|fact| fact.value(facts))
                        .or_else(|| hidden(alternatives, facts))
                        .ok_or_else(|| TemplateError::Absent(listed(alternatives)))?;
                    name.push_str(&value);
                }
            }
        }
        if (1..=LONGEST).contains(&name.len()) && name.chars().all(allowed) {
            Ok(name)
        } else {
            // Shown shortened and without what could break a log line.
            let shown: String = name.escape_default().take(80).collect();
            Err(TemplateError::Name(format!("\"{shown}\"")))
        }
    }
}

impl Fact {
    /// What stands for it in a name. Numbers and Call-IDs legitimately hold `+` and `@`, so those
    /// are mapped; a header's value is taken as it is or not at all, for it was meant to be a name.
    fn value(&self, facts: &Facts) -> Option<String> {
        let value = match self {
            Fact::Header(name) => facts.header(name).map(|value| value.trim().to_owned())?,
            Fact::To => mapped(facts.to.trim_start_matches('+')),
            Fact::From if facts.private => return None,
            Fact::From => mapped(facts.from.trim_start_matches('+')),
            Fact::DivertedBy if facts.diverter_private => return None,
            Fact::DivertedBy => mapped(facts.diverted_by.as_deref()?.trim_start_matches('+')),
            Fact::Attestation => facts.attestation?.as_str().to_owned(),
            Fact::Trunk => mapped(&facts.trunk),
            Fact::User => mapped(facts.user.as_deref().unwrap_or_default()),
            Fact::CallId => shortened(mapped(&facts.call_id), &facts.call_id),
        };
        (!value.is_empty()).then_some(value)
    }

    fn name(&self) -> String {
        match self {
            Fact::To => "to".to_owned(),
            Fact::From => "from".to_owned(),
            Fact::DivertedBy => "diverted_by".to_owned(),
            Fact::Attestation => "attestation".to_owned(),
            Fact::Trunk => "trunk".to_owned(),
            Fact::User => "user".to_owned(),
            Fact::CallId => "call_id".to_owned(),
            Fact::Header(name) => format!("header.{name}"),
        }
    }
}

/// What stands for somebody who must not be named, where nothing else is there.
fn hidden(alternatives: &[Fact], facts: &Facts) -> Option<String> {
    let hides = |fact: &Fact| match fact {
        Fact::From => facts.private,
        Fact::DivertedBy => facts.diverter_private,
        _ => false,
    };
    let any = alternatives.iter().any(hides);
    any.then(|| ANONYMOUS.to_owned())
}

fn listed(facts: &[Fact]) -> String {
    let names: Vec<String> = facts.iter().map(Fact::name).collect();
    names.join(", ")
}

fn mapped(text: &str) -> String {
    text.chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect()
}

/// Some carriers' Call-IDs are longer than a name may be; their start and a hash are as unique.
fn shortened(mapped: String, whole: &str) -> String {
    if mapped.len() <= LONGEST {
        return mapped;
    }
    let mut name: String = mapped.chars().take(LONGEST - 33).collect();
    name.push('-');
    for byte in Sha256::digest(whole.as_bytes()).iter().take(16) {
        // Writing to memory has no way to fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
