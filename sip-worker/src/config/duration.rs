// SPDX-License-Identifier: MPL-2.0
//! Lengths of time.

use std::time::Duration;

use crate::document::Section;

const LONGEST: i64 = 30 * 24 * 3600;

/// Seconds, or a text with a unit: "90s", "30m", "4h". At least `least` seconds.
pub(crate) fn duration(
    section: &mut Section<'_>,
    key: &'static str,
    least: i64,
) -> Option<Duration> {
    if !section.is_text(key) {
        let seconds = section.integer(key, least..=LONGEST)?;
        return Some(Duration::from_secs(seconds.unsigned_abs()));
    }
    section.parsed(key, |text| {
        let wrong = || format!("\"{text}\" is no duration; seconds, or \"90s\", \"30m\", \"4h\"");
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let unit = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .filter(|seconds| (least..=LONGEST).contains(seconds))
            .map(|seconds| Duration::from_secs(seconds.unsigned_abs()))
            .ok_or_else(wrong)
    })
}
