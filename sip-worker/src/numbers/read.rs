// SPDX-License-Identifier: MPL-2.0
//! Reading `numbers` of a `[[trunk]]`.

use super::{Bare, Form, Numbers};
use crate::document::Section;

/// Of what many countries have.
const SHORTEST: i64 = 7;
const EMERGENCY: [&str; 2] = ["112", "911"];

impl Numbers {
    /// None where something is wrong with it, which is found then.
    pub(crate) fn read(mut section: Section<'_>) -> Option<Numbers> {
        let says_country = section.has("country");
        let country = section.parsed("country", country);
        let national = section.parsed("national", prefix);
        let international = section.parsed("international", prefix);
        let says_bare = section.has("bare");
        let bare = section.parsed("bare", bare);
        let dial = section.parsed("dial", |name| {
            Form::from_name(name).ok_or_else(|| {
                let known = Form::ALL.map(|form| format!("\"{}\"", form.as_str()));
                format!("\"{name}\" is none of {}", known.join(", "))
            })
        });
        let user_phone = section.boolean("user_phone").unwrap_or(false);
        let shortest = section.integer("shortest", 2..=15).unwrap_or(SHORTEST);
        let emergency = section.parsed_list("emergency", emergency);
        if !says_country {
            section.find("`country` is missing: the country code, such as \"49\"");
        }
        let (national, international) = (
            national.unwrap_or_default(),
            international.unwrap_or_default(),
        );
        let dial = dial.unwrap_or_default();
        if !national.is_empty() && !international.is_empty() && national.starts_with(&international)
        {
            section.find(format!(
                "`national` is \"{national}\" and `international` \"{international}\": every number of the country would be one of another"
            ));
        }
        if international.is_empty() && matches!(dial, Form::International | Form::National) {
            section.find(format!(
                "`dial = \"{}\"` needs `international`, such as \"00\", for numbers of other countries",
                dial.as_str()
            ));
        }
        let by_itself = match (dial, national.is_empty()) {
            // It is what the trunk takes, so it is what the trunk says.
            (Form::Plain, _) => Bare::International,
            (Form::National, true) => Bare::National,
            _ => Bare::Unknown,
        };
        let bare = match says_bare {
            true => bare.unwrap_or(by_itself),
            false => by_itself,
        };
        if bare != by_itself && by_itself != Bare::Unknown {
            section.find(format!(
                "`bare` contradicts `dial = \"{}\"`: what we dial would be read as another number",
                dial.as_str()
            ));
        }
        for (key, prefix) in [("national", &national), ("international", &international)] {
            let own = country.as_deref() == Some(prefix.as_str());
            if bare == Bare::International && !prefix.is_empty() && !prefix.starts_with('0') && !own
            {
                section.find(format!(
                    "`{key}` is \"{prefix}\", with which a country code begins, too: a number without a `+` could be either"
                ));
            }
        }
        section.finish();
        Some(Numbers {
            country: country?,
            national,
            international,
            bare,
            dial,
            user_phone,
            shortest: usize::try_from(shortest).unwrap_or(usize::MAX),
            emergency: emergency.unwrap_or_else(|| EMERGENCY.map(str::to_owned).to_vec()),
        })
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_digit())
}

fn country(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('+').unwrap_or(text);
    match (1..=3).contains(&bare.len()) && digits(bare) && !bare.starts_with('0') {
        true => Ok(bare.to_owned()),
        false => Err(format!("\"{text}\" is no country code, such as \"49\"")),
    }
}

fn prefix(text: &str) -> Result<String, String> {
    match text.len() <= 5 && digits(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "\"{text}\" is no prefix: up to five digits, or \"\" for none"
        )),
    }
}

fn bare(name: &str) -> Result<Bare, String> {
    match name {
        "national" => Ok(Bare::National),
        "international" => Ok(Bare::International),
        "unknown" => Ok(Bare::Unknown),
        _ => Err(format!(
            "\"{name}\" is none of \"national\", \"international\", \"unknown\""
        )),
    }
}

fn emergency(text: &str) -> Result<String, String> {
    match (2..=6).contains(&text.len()) && digits(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "\"{text}\" is no emergency number: two to six digits"
        )),
    }
}
