// SPDX-License-Identifier: MPL-2.0
//! Numbers as a trunk writes them, and as everybody else knows them (E.164, `+` and the country code first).
//!
//! What is no number stays as it is: names, short numbers such as extensions, emergency numbers. So does what these rules
//! leave open, for a number that was guessed leads to somebody else.

mod form;
mod read;

use sip_ua::wire::{Scheme, Uri};

pub use form::Form;

/// The longest number (E.164 section 6.1), without its `+`.
const LONGEST: usize = 15;

/// How a trunk writes numbers: `numbers` of a `[[trunk]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The country code, `49`.
    pub country: String,
    /// What stands before a number of that country, `0`; may be empty.
    pub national: String,
    /// What stands before a number of another one, `00`; may be empty.
    pub international: String,
    /// What a number is that has none of these before it.
    pub bare: Bare,
    /// How the trunk wants to be told whom to call.
    pub dial: Form,
    /// Whether it is told besides that this is a number (`user=phone`).
    pub user_phone: bool,
    /// Digits of the shortest number; what has fewer is an extension.
    pub shortest: usize,
    /// Numbers that are the same everywhere, `112`.
    pub emergency: Vec<String>,
}

/// What a number without any prefix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// Nobody knows: it stays as it is.
    Unknown,
    /// One of the country.
    National,
    /// A whole one that only lacks its `+`.
    International,
}

impl Numbers {
    /// The number in E.164, with its `+`; none where it is no number, or nobody knows which.
    pub fn e164(&self, text: &str) -> Option<String> {
        let (number, context) = without_parameters(text);
        if context.is_some_and(|context| !self.is_ours(&context)) {
            return None;
        }
        let number = self.without_hint(number);
        let (plus, digits) = digits_of(&number)?;
        if self.emergency.contains(&digits) {
            return None;
        }
        let whole = match plus {
            true => digits,
            false => self.completed(&digits)?,
        };
        // No country code begins with 0, and none is a number by itself.
        let is_one = (2..=LONGEST).contains(&whole.len()) && !whole.starts_with('0');
        is_one.then(|| format!("+{whole}"))
    }

    /// What [`e164`](Self::e164) gave, as the trunk wants it.
    pub fn written(&self, number: &str) -> String {
        self.dial.write(self, number.trim_start_matches('+'))
    }

    /// Country code first, without a `+`.
    fn completed(&self, digits: &str) -> Option<String> {
        if digits.len() < self.shortest {
            return None;
        }
        let behind = |prefix: &str| digits.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        if let Some(rest) = behind(&self.international) {
            return Some(rest.to_owned());
        }
        let ours = |rest: &str| Some(format!("{}{rest}", self.country));
        if let Some(rest) = behind(&self.national) {
            return ours(rest);
        }
        match self.bare {
            Bare::Unknown => None,
            Bare::National => ours(digits),
            Bare::International => Some(digits.to_owned()),
        }
    }

    /// `+49 (0)30 123`: what is in the brackets is dialled within the country only.
    fn without_hint(&self, number: &str) -> String {
        let hint = format!("({})", self.national);
        match number.trim_start().starts_with('+') && !self.national.is_empty() {
            true => number.replacen(&hint, "", 1),
            false => number.to_owned(),
        }
    }

    /// Whether a `phone-context` is that of this country, or one that says nothing of countries.
    fn is_ours(&self, context: &str) -> bool {
        digits_of(context).is_some_and(|(plus, digits)| plus && digits == self.country)
    }
}

/// What stands before the parameters of a number (RFC 3966), and its `phone-context`.
fn without_parameters(text: &str) -> (&str, Option<String>) {
    let mut parts = text.split(';');
    let number = parts.next().unwrap_or_default();
    let context = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("phone-context")
            .then(|| value.to_owned())
    });
    (number, context)
}

/// Whether a `+` stands first, and the digits without what only parts them for the eye (RFC 3966 section 5.1.1, and
/// blanks). None where anything else stands there.
fn digits_of(text: &str) -> Option<(bool, String)> {
    let text = text.trim();
    let (plus, text) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let parts = |c: &char| !"-.() ".contains(*c);
    let digits: String = text.chars().filter(parts).collect();
    let all = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    all.then_some((plus, digits))
}

/// What a URI calls: the number of a `tel:` URI with the parameters that say which it is, else the user part.
pub fn number_of(uri: &Uri) -> Option<String> {
    let number = String::from_utf8_lossy(&uri.user_decoded()?).into_owned();
    if uri.scheme != Scheme::Tel {
        return Some(number);
    }
    let context = uri.params.get("phone-context");
    let context = context.map(|value| format!(";phone-context={}", String::from_utf8_lossy(value)));
    Some(number + &context.unwrap_or_default())
}

#[cfg(test)]
mod tests;
