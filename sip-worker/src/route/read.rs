// SPDX-License-Identifier: MPL-2.0
//! Reading `[[route]]`.

use std::time::Duration;

use sip_ua::wire::Attestation;

use super::{Answer, Route, Target, Template};
use crate::config::duration;
use crate::document::Section;

/// How long browsers ring where nothing else is said.
const RING_FOR: Duration = Duration::from_secs(45);

impl Route {
    /// Reads one route; trunks, users and SFUs it names must be known.
    pub fn read(
        mut section: Section<'_>,
        trunk_known: &dyn Fn(&str) -> bool,
        user_known: &dyn Fn(&str) -> bool,
        sfu_known: &dyn Fn(&str) -> bool,
    ) -> Option<Route> {
        let (to, from) = (pattern(&mut section, "to"), pattern(&mut section, "from"));
        let trunk = section.parsed("trunk", |name| {
            if trunk_known(name) {
                Ok(name.to_owned())
            } else {
                Err(format!("there is no [[trunk]] named \"{name}\""))
            }
        });
        let user = section.parsed("user", |name| {
            if name.contains('*') || user_known(name) {
                Ok(name.to_owned())
            } else {
                Err(format!("there is no [[user]] named \"{name}\""))
            }
        });
        if trunk.is_some() && user.is_some() {
            section.find("`trunk` and `user` exclude each other: no call is from both");
        }
        let diverted_by = pattern(&mut section, "diverted_by");
        let private = section.boolean("private");
        let attestation = section.parsed("attestation", |level| {
            Attestation::parse(level).ok_or_else(|| {
                format!("\"{level}\" is none of SHAKEN's levels \"A\", \"B\" and \"C\"")
            })
        });
        section.not_built("webhook", "deciding by webhook");
        section.not_built("pin_file", "asking for a PIN");
        let headers = headers(&mut section);

        let (has_room, has_reject) = (section.has("room"), section.has("reject"));
        let room = section.parsed("room", str::parse::<Template>);
        let participant = match section.has("participant") {
            true => section.parsed("participant", str::parse::<Template>),
            false => "{from|call_id}".parse().ok(),
        };
        let sfu = section.parsed("sfu", |name| {
            if sfu_known(name) {
                Ok(name.to_owned())
            } else {
                Err(format!("there is no [[sfu]] named \"{name}\""))
            }
        });
        let answer = answer(&mut section);
        let reject = section.integer("reject", 400..=699);
        match (has_room, has_reject) {
            (true, true) => section.find("`room` and `reject` exclude each other"),
            (false, false) => {
                section.find("it has neither `room` nor `reject`: what is to be done?")
            }
            _ => {}
        }
        section.finish();

        let target = match (room, reject) {
            (_, Some(code)) => Target::Reject(u16::try_from(code).ok()?),
            (Some(room), None) => Target::Room {
                room,
                participant: participant?,
                sfu,
                answer,
            },
            (None, None) => return None,
        };
        Some(Route {
            to,
            from,
            trunk,
            user,
            diverted_by,
            private,
            attestation,
            headers,
            target,
        })
    }
}

/// When the phone is answered, and whom it rings for until then.
fn answer(section: &mut Section<'_>) -> Answer {
    let answer = section.parsed("answer", |answer| match answer {
        "on-participant" => Ok(Answer::OnParticipant),
        "at-once" => Ok(Answer::AtOnce),
        "on-accept" => Ok(Answer::OnAccept {
            ring: Vec::new(),
            ring_for: RING_FOR,
        }),
        _ => Err(format!(
            "\"{answer}\" is none of \"on-participant\", \"at-once\" and \"on-accept\""
        )),
    });
    let names = section.parsed_list("ring", |name| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-*".contains(c);
        match !name.is_empty() && name.chars().all(allowed) {
            true => Ok(name.to_owned()),
            false => Err(format!(
                "{name:?} is the name of nobody: A-Z a-z 0-9 . _ - and * for anything"
            )),
        }
    });
    let for_so_long = duration(section, "ring_for", 1);
    match answer.unwrap_or_default() {
        Answer::OnAccept { ring, ring_for } => Answer::OnAccept {
            ring: names.unwrap_or(ring),
            ring_for: for_so_long.unwrap_or(ring_for),
        },
        answer => {
            if names.is_some() || for_so_long.is_some() {
                section.find("`ring` and `ring_for` are for answer = \"on-accept\"");
            }
            answer
        }
    }
}

fn pattern(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.string(key).map(|pattern| pattern.value)
}

/// `header.NAME = "pattern"`, which TOML reads as a table.
fn headers(section: &mut Section<'_>) -> Vec<(String, String)> {
    if !section.has("header") {
        return Vec::new();
    }
    let Some(mut table) = section.section("header") else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for name in table.keys() {
        if let Some(pattern) = pattern(&mut table, &name) {
            headers.push((name, pattern));
        }
    }
    headers
}
