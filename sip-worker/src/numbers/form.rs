// SPDX-License-Identifier: MPL-2.0
//! The forms in which trunks take numbers.

use super::Numbers;

/// How a trunk wants to be told whom to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `+4930123456`
    #[default]
    E164,
    /// `4930123456`
    Plain,
    /// `030123456`, and `0015550100` for numbers of other countries.
    National,
    /// `004930123456`
    International,
}

impl Form {
    pub const ALL: [Form; 4] = [Form::E164, Form::Plain, Form::National, Form::International];

    /// As the configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::E164 => "e164",
            Form::Plain => "plain",
            Form::National => "national",
            Form::International => "international",
        }
    }

    pub fn from_name(name: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.as_str() == name)
    }

    /// Writes a number, of which the `+` is left out.
    pub(super) fn write(self, numbers: &Numbers, whole: &str) -> String {
        let international = || format!("{}{whole}", numbers.international);
        match self {
            Form::E164 => format!("+{whole}"),
            Form::Plain => whole.to_owned(),
            Form::International => international(),
            Form::National => match whole.strip_prefix(numbers.country.as_str()) {
                Some(rest) => format!("{}{rest}", numbers.national),
                None => international(),
            },
        }
    }
}
