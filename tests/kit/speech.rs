// SPDX-License-Identifier: MPL-2.0
//! What is said in a scenario, and how to judge what was heard of it.

use crate::out_dir;
use anyhow::{Result, bail};
use sip_worker::measure::{
    Heard, Marker, Match, PHONE_SPEECH, ROOM_SPEECH, Thresholds, Wave, compare, picture,
};
use std::time::Duration;

/// A marker of this run, then speech.
pub struct Speech {
    pub marker: Marker,
    /// From the marker's first sample to the last word.
    pub wave: Wave,
}

impl Speech {
    pub fn phone() -> Result<Speech> {
        Ok(Speech::of(&Wave::from_wav(PHONE_SPEECH)?))
    }

    pub fn room() -> Result<Speech> {
        Ok(Speech::of(&Wave::from_wav(ROOM_SPEECH)?))
    }

    /// A stretch of one of the two voices, for a scenario in which several speak in turn.
    pub fn stretch(of: &[u8], from: Duration, length: Duration) -> Result<Speech> {
        Ok(Speech::of(&Wave::from_wav(of)?.slice(from, from + length)))
    }

    fn of(speech: &Wave) -> Speech {
        let marker = Marker::random();
        let wave = marker.before(speech);
        Speech { marker, wave }
    }

    /// Between so much silence before and after; a phone begins to play before the far end listens.
    pub fn between(&self, before: Duration, after: Duration) -> Wave {
        let mut wave = Wave::silence(self.wave.rate_hz, before);
        wave.push(&self.wave);
        wave.push(&Wave::silence(self.wave.rate_hz, after));
        wave
    }

    /// The part of a recording in which this is, by its marker, where others speak in the rest.
    pub fn around(&self, heard: &Wave) -> Option<Wave> {
        let at = self.marker.find(heard)?.at;
        let margin = Duration::from_millis(500);
        Some(heard.slice(
            at.saturating_sub(margin),
            at + self.wave.duration() + margin,
        ))
    }

    /// Fails unless `heard` holds this run's marker and the speech, whole and at its level. Leaves the recording
    /// and a picture in the scenario's folder.
    pub fn assert_heard_in(&self, heard: &Wave, scenario: &str, direction: &str) -> Result<Match> {
        let matched = compare(&self.wave, heard);
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let name = direction.replace(' ', "-");
        heard.write(folder.join(format!("{name}.wav")))?;
        let drawn = picture(
            scenario,
            &[],
            &[Heard {
                title: direction,
                sent: &self.wave,
                heard,
                matched: &matched,
                marker: Some((Duration::ZERO, Marker::duration())),
                mouth_to_ear: None,
            }],
        );
        std::fs::write(folder.join(format!("{name}.svg")), drawn)?;

        let faults = matched.faults(&Thresholds::default());
        if !faults.is_empty() {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            bail!(
                "{direction}: {} (see {})",
                faults.join("; "),
                folder.display()
            );
        }
        if self.marker.find(heard).is_none() {
            bail!(
                "{direction}: the marker of this run is missing (see {})",
                folder.display()
            );
        }
        Ok(matched)
    }
}
