// SPDX-License-Identifier: MPL-2.0
//! `[guard]`: what scanners meet.

use sip_ua::guard;

use super::duration::duration;
use super::value::number;
use crate::document::Section;

/// `[guard]`: what those meet who ask too much, or fail again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// How much is too much.
    pub bounds: guard::Config,
    /// Whether trunks and registered phones can be banned, too.
    pub ban_known: bool,
    /// What a stranger hears.
    pub strangers: Strangers,
}

/// What somebody hears who is neither a trunk nor a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strangers {
    /// Nothing at all.
    #[default]
    Silence,
    /// 403.
    Refused,
}

pub(super) fn guard(section: Option<Section<'_>>) -> Guard {
    let mut guard = Guard::default();
    let Some(mut section) = section else {
        return guard;
    };
    let bounds = &mut guard.bounds;
    if let Some(rate) = number(section.integer("rate", 0..=100_000)) {
        bounds.rate = rate;
    }
    if let Some(failures) = number(section.integer("failures", 0..=100_000)) {
        bounds.failures = failures;
    }
    if let Some(window) = duration(&mut section, "window", 1) {
        bounds.window = window;
    }
    if let Some(ban) = duration(&mut section, "ban", 1) {
        bounds.ban = ban;
    }
    if let Some(longest) = duration(&mut section, "ban_max", 1) {
        bounds.ban_max = longest;
    }
    if bounds.ban > bounds.ban_max {
        section.find("`ban` is longer than `ban_max`");
    }
    guard.ban_known = section.boolean("ban_known").unwrap_or(false);
    guard.bounds.spare_proven = !guard.ban_known;
    let strangers = section.parsed("strangers", |text| match text {
        "silence" => Ok(Strangers::Silence),
        "refuse" => Ok(Strangers::Refused),
        _ => Err(format!("\"{text}\" is neither \"silence\" nor \"refuse\"")),
    });
    guard.strangers = strangers.unwrap_or_default();
    section.finish();
    guard
}
