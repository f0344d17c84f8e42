// SPDX-License-Identifier: MPL-2.0
//! Which room a call goes to: a pure function of the caller's facts and the `[[route]]` list.
//!
//! By the time a route is looked at, the caller is known to be a trunk's or a
//! user: whoever is neither never gets here. Values of headers are the caller's own words, so a name made of them must be of
//! [`Template`]'s small alphabet, else the call is refused.

mod glob;
mod read;
mod template;

use std::time::Duration;

use sip_ua::wire::Attestation;

pub use glob::matches;
pub(crate) use template::{Part, parts};
pub use template::{Template, TemplateError};

/// One `[[route]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Pattern on the number called.
    pub to: Option<String>,
    /// Pattern on the caller's number.
    pub from: Option<String>,
    /// The trunk it must come from.
    pub trunk: Option<String>,
    /// The user it must come from; `*` for any.
    pub user: Option<String>,
    /// Pattern on the number that sent the call on.
    pub diverted_by: Option<String>,
    /// Whether the caller wants to be hidden.
    pub private: Option<bool>,
    /// What an Identity header has to claim.
    pub attestation: Option<Attestation>,
    /// Patterns on headers.
    pub headers: Vec<(String, String)>,
    /// What to do with the call.
    pub target: Target,
}

/// What a route does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Into a room.
    Room {
        /// `room`
        room: Template,
        /// `participant`
        participant: Template,
        /// `sfu`; the first where absent.
        sfu: Option<String>,
        /// `answer`
        answer: Answer,
    },
    /// `reject = CODE`
    Reject(u16),
}

/// When the phone is answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Answer {
    /// Once somebody is in the room; it rings until then.
    #[default]
    OnParticipant,
    /// As soon as we are in the room.
    AtOnce,
    /// Once somebody in the room accepts it.
    OnAccept {
        /// Names of those whose browsers ring, or patterns of such; empty: all hosts of the room.
        ring: Vec<String>,
        /// For so long; then the phone hears 480.
        ring_for: Duration,
    },
}

/// What is known of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The number called.
    pub to: String,
    /// The caller's number.
    pub from: String,
    /// The caller wants nobody in a room to learn it.
    pub private: bool,
    /// The number that sent the call on last.
    pub diverted_by: Option<String>,
    /// Nobody in a room may learn that one.
    pub diverter_private: bool,
    /// What an Identity header claims; nobody has verified it.
    pub attestation: Option<Attestation>,
    /// The trunk the caller was recognised as; empty for a user.
    pub trunk: String,
    /// The user who proved to be the caller.
    pub user: Option<String>,
    /// The Call-ID.
    pub call_id: String,
    /// Every header that counts, in order.
    pub headers: Vec<(String, String)>,
}

/// What a room sees of a caller who wants to be hidden.
pub const ANONYMOUS: &str = "anonymous";

impl Facts {
    /// The caller's number as a room may see it.
    pub fn shown_from(&self) -> &str {
        match self.private {
            true => ANONYMOUS,
            false => &self.from,
        }
    }

    /// The first header of this name, case-blind.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The room's name.
    pub room: String,
    /// The caller's name in it.
    pub participant: String,
    /// The SFU; the first where `None`.
    pub sfu: Option<String>,
    /// When to answer.
    pub answer: Answer,
}

/// Why a call goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// The SIP status to refuse it with.
    pub code: u16,
    /// One sentence for the log.
    pub why: String,
}

/// The first route that matches decides.
pub fn decide(routes: &[Route], facts: &Facts) -> Result<Decision, Refusal> {
    let Some((number, route)) = (1..).zip(routes).find(|(_, route)| route.takes(facts)) else {
        return Err(Refusal {
            code: 404,
            why: "no route matches".to_owned(),
        });
    };
    match &route.target {
        Target::Reject(code) => Err(Refusal {
            code: *code,
            why: format!("route {number} rejects it"),
        }),
        Target::Room {
            room,
            participant,
            sfu,
            answer,
        } => {
            let name = |what: &str, template: &Template| {
                template.name(facts).map_err(|error| Refusal {
                    code: 403,
                    why: format!("route {number} makes no {what} of it: {error}"),
                })
            };
            Ok(Decision {
                room: name("room", room)?,
                participant: name("participant", participant)?,
                sfu: sfu.clone(),
                answer: answer.clone(),
            })
        }
    }
}

impl Route {
    fn takes(&self, facts: &Facts) -> bool {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern
                .as_deref()
                .is_none_or(|pattern| matches(pattern, text))
        };
        fits(&self.to, &facts.to)
            && fits(&self.from, &facts.from)
            && self
                .trunk
                .as_ref()
                .is_none_or(|trunk| *trunk == facts.trunk)
            && self.user.as_deref().is_none_or(|pattern| {
                facts
                    .user
                    .as_deref()
                    .is_some_and(|user| matches(pattern, user))
            })
            && self.diverted_by.as_deref().is_none_or(|pattern| {
                facts
                    .diverted_by
                    .as_deref()
                    .is_some_and(|number| matches(pattern, number))
            })
            && self.private.is_none_or(|private| private == facts.private)
            && self
                .attestation
                .is_none_or(|level| facts.attestation == Some(level))
            && self.headers.iter().all(|(name, pattern)| {
                facts
                    .header(name)
                    .is_some_and(|value| matches(pattern, value))
            })
    }
}

#[cfg(test)]
mod tests;
