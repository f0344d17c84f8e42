// SPDX-License-Identifier: MPL-2.0
//! `[limits]`: what the worker as a whole carries, and what a caller hears who is one too many.

use std::time::Duration;

use super::duration::duration;
use super::value::number;
use crate::document::Section;

/// How long to wait where nothing is said.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// `[limits]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls at one time, either way.
    pub max_calls: Option<u32>,
    /// New calls in a second, either way.
    pub max_cps: Option<u32>,
    /// For trunks and users that have none of their own.
    pub overload: Overload,
}

/// What a trunk or user hears whose call is one too many; what is not said is as for all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overload {
    /// 503, 480 or 486.
    pub answer: Option<u16>,
    /// What Retry-After says; zero: there is none.
    pub retry_after: Option<Duration>,
}

/// A refusal with all that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub code: u16,
    /// Retry-After, if it is there.
    pub retry_after: Option<Duration>,
}

impl Overload {
    /// What is said, where `others` has what is missing here.
    pub fn refusal(self, others: Overload) -> Refusal {
        let retry_after = self.retry_after.or(others.retry_after);
        Refusal {
            code: self.answer.or(others.answer).unwrap_or(503),
            retry_after: Some(retry_after.unwrap_or(RETRY_AFTER)).filter(|wait| !wait.is_zero()),
        }
    }

    /// `overload` and `retry_after` of a table.
    pub(super) fn read(section: &mut Section<'_>) -> Overload {
        let answer = section.integer("overload", 400..=699);
        let answer = answer.filter(|code| {
            let known = matches!(code, 480 | 486 | 503);
            if !known {
                section.find(format!(
                    "`overload` must be 503 (try elsewhere), 480 (not now) or 486 (busy), not {code}"
                ));
            }
            known
        });
        Overload {
            answer: answer.and_then(|code| u16::try_from(code).ok()),
            retry_after: duration(section, "retry_after", 0),
        }
    }
}

pub(super) fn limits(section: Option<Section<'_>>) -> Limits {
    let Some(mut section) = section else {
        return Limits::default();
    };
    let limits = Limits {
        max_calls: number(section.integer("max_calls", 1..=1_000_000)),
        max_cps: number(section.integer("max_cps", 1..=100_000)),
        overload: Overload::read(&mut section),
    };
    section.finish();
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_trunk_does_not_say_is_as_for_all_others_and_else_the_default() {
        let seconds = Duration::from_secs;
        let overload = |answer, retry_after| Overload {
            answer,
            retry_after,
        };
        let refusal = |code, retry_after| Refusal { code, retry_after };
        let none = Overload::default();
        assert_eq!(none.refusal(none), refusal(503, Some(RETRY_AFTER)));
        let others = overload(Some(480), Some(seconds(30)));
        assert_eq!(none.refusal(others), refusal(480, Some(seconds(30))));
        let own = overload(Some(486), None);
        assert_eq!(own.refusal(others), refusal(486, Some(seconds(30))));
        let silent = overload(None, Some(Duration::ZERO));
        assert_eq!(silent.refusal(others), refusal(480, None));
    }
}
