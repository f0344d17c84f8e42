// SPDX-License-Identifier: MPL-2.0
//! One table of a TOML file, read key by key; what nobody asked for is a finding.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Document;
use super::nearest::nearest;

/// A value that is no table and no array.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place in the text.
    pub at: Range<usize>,
}

/// A table being read. [`Section::finish`] must be called: it reports the keys nobody asked for.
pub struct Section<'d> {
    document: &'d Document,
    /// As people write it: `[sip]`, `[[trunk]] "carrier"`.
    name: String,
    /// The keys that lead to it, each with a full stop behind: `trunk.auth.`
    path: String,
    at: Range<usize>,
    entries: BTreeMap<String, (Range<usize>, Spanned<DeValue<'d>>)>,
    known: Vec<String>,
}

impl<'d> Section<'d> {
    pub(super) fn root(document: &'d Document, table: Spanned<DeTable<'d>>) -> Section<'d> {
        Section::new(
            document,
            String::new(),
            String::new(),
            0..0,
            table.into_inner(),
        )
    }

    fn new(
        document: &'d Document,
        name: String,
        path: String,
        at: Range<usize>,
        table: DeTable<'d>,
    ) -> Section<'d> {
        let entries = table
            .into_iter()
            .map(|(key, value)| (key.get_ref().to_string(), (key.span(), value)))
            .collect();
        Section {
            document,
            name,
            path,
            at,
            entries,
            known: Vec::new(),
        }
    }

    /// The file it stands in.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// Where it begins.
    pub fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Notes something about the section as a whole.
    pub fn find(&self, sentence: impl Display) {
        self.document
            .find(self.at(), format!("{}{sentence}", self.prefix()));
    }

    /// Calls the section by what it holds, `[[trunk]] "carrier"`, from here on.
    pub fn rename(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    fn prefix(&self) -> String {
        if self.name.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.name)
        }
    }

    fn take(&mut self, key: &str) -> Option<(Range<usize>, Spanned<DeValue<'d>>)> {
        let asked = format!("{}{key}", self.path);
        self.document.asked.borrow_mut().insert(asked);
        self.take_unwanted(key)
    }

    /// A key that is known, but may not be there.
    fn take_unwanted(&mut self, key: &str) -> Option<(Range<usize>, Spanned<DeValue<'d>>)> {
        self.known.push(key.to_owned());
        self.entries.remove(key)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'d>>, wanted: &str) {
        let sentence = format!(
            "{}`{key}` must be {wanted}, not {}",
            self.prefix(),
            described(value.get_ref())
        );
        self.document.find(value.span(), sentence);
    }

    /// Whether the key is there. Does not count as asking for it.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether the key is there and holds a text. Does not count as asking for it.
    pub fn is_text(&self, key: &str) -> bool {
        let entry = self.entries.get(key);
        entry.is_some_and(|(_, value)| matches!(value.get_ref(), DeValue::String(_)))
    }

    /// The keys left, for tables whose keys are names.
    pub fn keys(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// A text.
    pub fn string(&mut self, key: &str) -> Option<Located<String>> {
        let (_, value) = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Located {
                value: text.to_string(),
                at: value.span(),
            }),
            _ => {
                self.wrong_type(key, &value, "a text in quotes");
                None
            }
        }
    }

    /// A text, and what it means.
    pub fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.string(key)?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.document
                    .find(text.at, format!("{}`{key}`: {error}", self.prefix()));
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, key: &str, bounds: RangeInclusive<i64>) -> Option<i64> {
        let (_, value) = self.take(key)?;
        let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Some(number),
            None => {
                self.wrong_type(key, &value, &wanted);
                None
            }
        }
    }

    /// A number, whole or not.
    pub fn number(&mut self, key: &str) -> Option<f64> {
        let (_, value) = self.take(key)?;
        let number = as_number(value.get_ref());
        if number.is_none() {
            self.wrong_type(key, &value, "a number");
        }
        number
    }

    /// A number within bounds, whole or not.
    pub fn number_within(&mut self, key: &str, bounds: RangeInclusive<f64>) -> Option<f64> {
        let (_, value) = self.take(key)?;
        let number = as_number(value.get_ref()).filter(|number| bounds.contains(number));
        if number.is_none() {
            let wanted = format!("a number from {} to {}", bounds.start(), bounds.end());
            self.wrong_type(key, &value, &wanted);
        }
        number
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        let (_, value) = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.wrong_type(key, &value, "true or false");
                None
            }
        }
    }

    /// A number, a truth or a text, whichever it is.
    pub fn scalar(&mut self, key: &str) -> Option<Scalar> {
        match self.entries.get(key)?.1.get_ref() {
            DeValue::Integer(_) => self.integer(key, i64::MIN..=i64::MAX).map(Scalar::Int),
            DeValue::Float(_) => self.number(key).map(Scalar::Float),
            DeValue::Boolean(_) => self.boolean(key).map(Scalar::Bool),
            _ => self.string(key).map(|text| Scalar::Text(text.value)),
        }
    }

    /// A list of texts.
    pub fn strings(&mut self, key: &str) -> Option<Vec<Located<String>>> {
        let (_, value) = self.take(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, &value, "a list of texts, [\"…\"]");
            return None;
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(Located {
                    value: text.to_string(),
                    at: item.span(),
                }),
                _ => self.wrong_type(key, item, "a list of texts"),
            }
        }
        Some(texts)
    }

    /// A list of texts, and what each means. A text without a meaning is a finding.
    pub fn parsed_list<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let texts = self.strings(key)?;
        let mut values = Vec::new();
        for text in texts {
            match parse(&text.value) {
                Ok(value) => values.push(value),
                Err(error) => self
                    .document
                    .find(text.at, format!("{}`{key}`: {error}", self.prefix())),
            }
        }
        Some(values)
    }

    /// A table in this one.
    pub fn section(&mut self, key: &str) -> Option<Section<'d>> {
        let (at, value) = self.take(key)?;
        let name = self.child_name(key);
        match value.into_inner() {
            DeValue::Table(table) => {
                let path = format!("{}{key}.", self.path);
                Some(Section::new(self.document, name, path, at, table))
            }
            other => {
                let sentence =
                    format!("`{key}` must be a table, {name}, not {}", described(&other));
                self.document.find(at, sentence);
                None
            }
        }
    }

    fn child_name(&self, key: &str) -> String {
        if self.name.is_empty() {
            format!("[{key}]")
        } else {
            format!("{} {key}", self.name)
        }
    }

    /// The tables of a `[[key]]` list.
    pub fn sections(&mut self, key: &str) -> Vec<Section<'d>> {
        let Some((at, value)) = self.take(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.into_inner() else {
            self.document.find(
                at,
                format!("[{key}] must be written [[{key}]]: there may be several"),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            let at = item.span();
            match item.into_inner() {
                DeValue::Table(table) => {
                    let path = format!("{}{key}.", self.path);
                    let name = format!("[[{key}]]");
                    sections.push(Section::new(self.document, name, path, at, table));
                }
                _ => self.document.find(at, format!("[[{key}]] must be a table")),
            }
        }
        sections
    }

    /// Refuses a key by name: it exists, but not in this version.
    pub fn not_built(&mut self, key: &str, what: &str) {
        if let Some((at, _)) = self.take_unwanted(key) {
            let sentence = format!("{}{what} is not built yet; take `{key}` out", self.prefix());
            self.document.find(at, sentence);
        }
    }

    /// Refuses a key by name: `why` says what to do instead.
    pub fn refused(&mut self, key: &str, why: &str) {
        if let Some((at, _)) = self.take_unwanted(key) {
            self.document.find(at, format!("{}{why}", self.prefix()));
        }
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        let place = if self.name.is_empty() {
            "in this file".to_owned()
        } else {
            format!("in {}", self.name)
        };
        for (key, (at, _)) in &self.entries {
            let meant = nearest(key, self.known.iter().map(String::as_str));
            let sentence = match meant {
                Some(meant) => format!("unknown key `{key}` {place}; did you mean `{meant}`?"),
                None => {
                    let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
                    format!(
                        "unknown key `{key}` {place}; known are {}",
                        known.join(", ")
                    )
                }
            };
            self.document.find(at.clone(), sentence);
        }
    }
}

fn as_number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number as f64),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        // Not shown: it may be a secret in the wrong place.
        DeValue::String(_) => "a text".to_owned(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
