// SPDX-License-Identifier: MPL-2.0
//! Several people in a room speak in turn, and each hears the others and nobody in their place.

use crate::speech::Speech;
use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave, compare};
use std::time::Duration;

/// Longer than a voice needs to arrive, so that nobody interrupts.
pub const PAUSE: Duration = Duration::from_millis(1_000);
const WORDS: Duration = Duration::from_millis(2_500);

/// Who they are and what each says, in the order in which they speak.
pub struct Turns {
    /// Where recordings are left.
    folder: String,
    names: [&'static str; 4],
    says: Vec<Speech>,
}

impl Turns {
    /// Four people, each with words of their own.
    pub fn of(folder: &str, names: [&'static str; 4]) -> Result<Turns> {
        let says = [PHONE_SPEECH, ROOM_SPEECH]
            .into_iter()
            .flat_map(|voice| [(voice, Duration::ZERO), (voice, WORDS)])
            .map(|(voice, from)| Speech::stretch(voice, from, WORDS));
        Ok(Turns {
            folder: folder.to_owned(),
            names,
            says: says.collect::<Result<_>>()?,
        })
    }

    /// How long one takes.
    pub fn length(&self) -> Duration {
        self.says[0].wave.duration() + PAUSE
    }

    /// What the one who speaks at this place says.
    pub fn says(&self, place: usize) -> &Speech {
        &self.says[place]
    }

    /// A track holds what its owner said, and nothing of anybody else.
    pub fn one_is_heard(&self, me: &str, owner: &str, heard: &Wave) -> Result<()> {
        for (speaker, speech) in self.names.iter().zip(&self.says) {
            if *speaker == owner {
                self.is_whole(me, speaker, speech, heard)?;
            } else {
                ensure!(
                    speech.marker.find(heard).is_none(),
                    "{me} hears {speaker} in the place of {owner}"
                );
            }
        }
        Ok(())
    }

    /// A phone hears everybody else in one mix.
    pub fn others_are_heard(&self, me: &str, heard: &Wave) -> Result<()> {
        for (speaker, speech) in self.names.iter().zip(&self.says) {
            if *speaker == me {
                ensure!(
                    speech.marker.find(heard).is_none() && !compare(&speech.wave, heard).is_good(),
                    "{me} hears their own voice"
                );
            } else {
                self.is_whole(me, speaker, speech, heard)?;
            }
        }
        Ok(())
    }

    fn is_whole(&self, me: &str, speaker: &str, speech: &Speech, heard: &Wave) -> Result<()> {
        let whole = speech
            .around(heard)
            .with_context(|| format!("{me} does not hear {speaker}"))?;
        let direction = format!("{speaker} to {me}");
        speech.assert_heard_in(&whole, &self.folder, &direction)?;
        Ok(())
    }
}
