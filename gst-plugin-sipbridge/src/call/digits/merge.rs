// SPDX-License-Identifier: MPL-2.0
//! Telephones send one press in several forms at once: it is one press.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::DigitForm;

/// How far apart two forms of one press may be: INFO goes another way through the network, and is
/// sent at the press or at its end, and tones wait in the jitter buffer.
const SLACK: Duration = Duration::from_millis(500);

/// Presses that are remembered, and for how long: longer than any key is held.
const PRESSES: usize = 16;
const MEMORY: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
struct Press {
    digit: char,
    began: Instant,
    ended: Instant,
    /// The forms it came in: rfc4733, info, inband.
    came: [bool; 3],
}

/// Tells presses from repetitions of them in another form.
#[derive(Debug, Default)]
pub(in crate::call) struct DigitMerge {
    recent: VecDeque<Press>,
}

impl DigitMerge {
    /// A digit that came in `form`, ended at `now` after `duration`. Whether it is news.
    pub(in crate::call) fn is_new(
        &mut self,
        now: Instant,
        form: DigitForm,
        digit: char,
        duration: Duration,
    ) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|press| now.saturating_duration_since(press.ended) > MEMORY)
        {
            self.recent.pop_front();
        }
        // An INFO is as good as no time at all: its length is what it claims, and it is sent at the
        // press by some and at the release by others.
        let began = match form {
            DigitForm::Info => now,
            DigitForm::Rfc4733 | DigitForm::Inband => now.checked_sub(duration).unwrap_or(now),
        };
        let index = form as usize;
        // The earliest that lacks this form: two presses in a row pair up in their order.
        let twin = self.recent.iter_mut().find(|press| {
            press.digit == digit
                && press.came.get(index) == Some(&false)
                && began <= press.ended + SLACK
                && press.began <= now + SLACK
        });
        if let Some(press) = twin {
            if let Some(came) = press.came.get_mut(index) {
                *came = true;
            }
            press.began = press.began.min(began);
            press.ended = press.ended.max(now);
            return false;
        }
        if self.recent.len() == PRESSES {
            self.recent.pop_front();
        }
        let mut came = [false; 3];
        if let Some(came) = came.get_mut(index) {
            *came = true;
        }
        self.recent.push_back(Press {
            digit,
            began,
            ended: now,
            came,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DigitForm::{Inband, Info, Rfc4733};

    /// Digits with form, the time of their end and their length, and how many are told.
    fn told(reports: &[(DigitForm, char, u64, u64)]) -> String {
        let start = Instant::now() + MEMORY;
        let mut merge = DigitMerge::default();
        reports
            .iter()
            .filter(|(form, digit, at, length)| {
                let at = start + Duration::from_millis(*at);
                merge.is_new(at, *form, *digit, Duration::from_millis(*length))
            })
            .map(|(_, digit, ..)| *digit)
            .collect()
    }

    #[test]
    fn a_press_in_three_forms_is_one() {
        let reports = [
            (Info, '1', 20, 160),
            (Rfc4733, '1', 100, 100),
            (Inband, '1', 170, 100),
        ];
        assert_eq!(told(&reports), "1");
    }

    #[test]
    fn a_key_pressed_again_counts_again_in_every_form() {
        let reports = [
            (Rfc4733, '1', 100, 100),
            (Info, '1', 130, 160),
            (Rfc4733, '1', 300, 100),
            (Info, '1', 330, 160),
            (Rfc4733, '1', 500, 100),
            (Rfc4733, '1', 700, 100),
            (Info, '1', 710, 160),
            (Info, '1', 800, 160),
        ];
        assert_eq!(told(&reports), "1111");
    }

    #[test]
    fn one_form_alone_is_never_taken_for_a_repetition() {
        let reports = [
            (Info, '5', 0, 160),
            (Info, '5', 1, 160),
            (Info, '5', 2, 160),
        ];
        assert_eq!(told(&reports), "555");
    }

    #[test]
    fn a_long_press_that_was_announced_at_its_begin_is_one() {
        let reports = [(Info, '9', 30, 160), (Rfc4733, '9', 5_000, 5_000)];
        assert_eq!(told(&reports), "9");
    }

    #[test]
    fn another_key_or_another_time_is_another_press() {
        let reports = [
            (Rfc4733, '1', 100, 100),
            (Info, '2', 110, 160),
            (Info, '1', 2_000, 160),
        ];
        assert_eq!(told(&reports), "121");
    }

    #[test]
    fn fast_dialling_in_two_forms_keeps_its_order() {
        let mut reports = Vec::new();
        for (nth, digit) in "1122334455".chars().enumerate() {
            let end = 100 * (nth as u64 + 1);
            reports.push((Rfc4733, digit, end, 50));
            reports.push((Inband, digit, end + 70, 50));
        }
        reports.sort_by_key(|(_, _, at, _)| *at);
        assert_eq!(told(&reports), "1122334455");
    }
}
