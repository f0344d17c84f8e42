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
/// What is found so close to the start of a stretch may have begun before it.
const UNDER_WAY: Duration = Duration::from_millis(20);
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
        let whole = self.begins(heard).map(|at| {
            heard.slice(
                at.saturating_sub(BREATH),
                at + self.speech.wave.duration() + BREATH,
            )
        });
        self.speech
            .assert_heard_in(whole.as_ref().unwrap_or(heard), scenario, direction)
    }

    /// Where it begins for the first time in a stretch of it. One that was under way before the stretch lacks
    /// its beginning, and is recognised all the same: at the very start.
    fn begins(&self, heard: &Wave) -> Option<Duration> {
        let from = |start: Duration| {
            // What begins later than here may not be there to its end.
            let end = self.once.duration() + Marker::duration();
            let found = self.speech.marker.find(&heard.slice(start, end))?;
            Some(start + found.at)
        };
        from(Duration::ZERO)
            .filter(|at| *at > UNDER_WAY)
            .or_else(|| from(Marker::duration()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, ensure};

    /// As a jitter buffer does that grows.
    const HELD_UP: Duration = Duration::from_millis(40);

    #[test]
    fn it_is_whole_wherever_one_begins_to_listen() -> Result<()> {
        let refrain = Refrain::new()?;
        let (once, length) = (&refrain.once, refrain.once.duration());
        let amid_the_marker = BREATH + Marker::duration() / 2;
        let mut plays = once.clone();
        // Which makes what is cut off at the start the better copy of the two.
        plays.push(&once.slice(Duration::ZERO, amid_the_marker));
        plays.push(&Wave::silence(once.rate_hz, HELD_UP));
        plays.push(&once.slice(amid_the_marker, length));
        plays.push(once);
        for tenth in 0..10 {
            let from = length * tenth / 10;
            let heard = plays.slice(from, from + refrain.stretch());
            let begins = refrain.begins(&heard).context("it is not found")?;
            let off = (from + begins)
                .abs_diff(BREATH)
                .min((from + begins).abs_diff(length + BREATH));
            ensure!(
                off <= HELD_UP,
                "from {from:?}: found at {begins:?}, {off:?} off"
            );
        }
        Ok(())
    }
}
