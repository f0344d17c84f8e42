// SPDX-License-Identifier: MPL-2.0
//! What a phone says over and over: it begins and goes on where it likes, and is heard whole all the same.

use crate::speech::Speech;
use anyhow::Result;
use sip_worker::measure::{Marker, Match, PHONE_SPEECH, Wave};
use std::time::Duration;

/// Of the speech.
const WORDS: Duration = Duration::from_millis(1_500);
/// Before and after it, each time.
const BREATH: Duration = Duration::from_millis(250);
/// Longer than any scenario lasts.
const TIMES: usize = 25;

/// Speech with a marker, again and again.
pub struct Refrain {
    pub speech: Speech,
    once: Wave,
}

impl Refrain {
    pub fn new() -> Result<Refrain> {
        let speech = Speech::stretch(PHONE_SPEECH, Duration::ZERO, WORDS)?;
        let once = speech.between(BREATH, BREATH);
        Ok(Refrain { speech, once })
    }

    /// All of it.
    pub fn plays(&self) -> Wave {
        let mut plays = Wave::silence(self.once.rate_hz, Duration::ZERO);
        for _ in 0..TIMES {
            plays.push(&self.once);
        }
        plays
    }

    /// Whoever listens for so long, hears it whole once.
    pub fn stretch(&self) -> Duration {
        self.once.duration() * 2
    }

    /// Fails unless `heard`, which is a stretch of it, holds it as [`Speech::assert_heard_in`] wants it.
    pub fn assert_heard_in(&self, heard: &Wave, scenario: &str, direction: &str) -> Result<Match> {
        // What begins later than here may not be there to its end.
        let beginnings = heard.slice(Duration::ZERO, self.once.duration() + Marker::duration());
        let whole = self.speech.marker.find(&beginnings).map(|found| {
            heard.slice(
                found.at.saturating_sub(BREATH),
                found.at + self.speech.wave.duration() + BREATH,
            )
        });
        self.speech
            .assert_heard_in(whole.as_ref().unwrap_or(heard), scenario, direction)
    }
}
