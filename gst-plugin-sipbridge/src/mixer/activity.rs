// SPDX-License-Identifier: MPL-2.0
//! Who speaks: by level, against the noise that somebody's room makes anyway.

/// Nobody is quieter than this.
pub(super) const SILENCE_DBFS: f32 = -100.0;

/// How much louder than the noise somebody must be who speaks.
const ABOVE_NOISE_DB: f32 = 8.0;

/// Below this nobody speaks, however quiet their room is.
const LEAST_DBFS: f32 = -62.0;

/// How fast the noise may be taken to rise: 2 dB a second.
const NOISE_RISES_DB: f32 = 0.04;

/// How much of a fall of the noise is believed at once.
const NOISE_FALLS: f32 = 0.3;

/// Ticks that somebody counts as speaking after their last sound: words have gaps.
const HANGOVER: u32 = 25;

/// Whether one participant speaks.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    /// Louder than this is always speech.
    ceiling_dbfs: f32,
    noise_dbfs: f32,
    level_dbfs: f32,
    left: u32,
}

impl Activity {
    pub(super) fn new(ceiling_dbfs: f32) -> Activity {
        Activity {
            ceiling_dbfs,
            noise_dbfs: LEAST_DBFS,
            level_dbfs: SILENCE_DBFS,
            left: 0,
        }
    }

    pub(super) fn set_ceiling(&mut self, dbfs: f32) {
        self.ceiling_dbfs = dbfs;
    }

    /// The level of one frame of 20 ms.
    pub(super) fn hear(&mut self, dbfs: f32) {
        let threshold = (self.noise_dbfs + ABOVE_NOISE_DB)
            .max(LEAST_DBFS)
            .min(self.ceiling_dbfs);
        if dbfs > threshold {
            self.left = HANGOVER;
        } else {
            self.left = self.left.saturating_sub(1);
        }
        // Digital silence (a gap, DTX) says nothing about the noise behind it.
        if dbfs > SILENCE_DBFS {
            self.noise_dbfs = if dbfs < self.noise_dbfs {
                self.noise_dbfs + (dbfs - self.noise_dbfs) * NOISE_FALLS
            } else {
                (self.noise_dbfs + NOISE_RISES_DB).min(dbfs)
            };
        }
        // Up at once, down in about 100 ms: what a meter shows.
        self.level_dbfs = if dbfs > self.level_dbfs {
            dbfs
        } else {
            self.level_dbfs + (dbfs - self.level_dbfs) * 0.2
        };
    }

    /// Nothing came.
    pub(super) fn miss(&mut self) {
        self.hear(SILENCE_DBFS);
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.left > 0
    }

    pub(super) fn level_dbfs(&self) -> f32 {
        self.level_dbfs
    }
}

/// The level of a frame: that of its loudest quarter, for a word may begin in its last one.
pub(crate) fn level_dbfs(samples: &[i16]) -> f32 {
    let quarter = samples.len().div_ceil(4).max(1);
    let loudest = samples
        .chunks(quarter)
        .map(|block| {
            let sum: f32 = block.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
            sum / block.len() as f32
        })
        .fold(0.0, f32::max);
    if loudest <= 0.0 {
        return SILENCE_DBFS;
    }
    // Full scale is a square wave, as for RFC 6464.
    (10.0 * loudest.log10() - 90.31).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILING: f32 = -46.0;

    fn after(frames: &[(u32, f32)]) -> Activity {
        let mut activity = Activity::new(CEILING);
        for (count, dbfs) in frames {
            (0..*count).for_each(|_| activity.hear(*dbfs));
        }
        activity
    }

    #[test]
    fn speech_is_seen_in_its_first_frame_and_for_half_a_second_after_its_last() {
        let mut activity = after(&[(500, -65.0)]);
        assert!(!activity.is_speaking());
        activity.hear(-30.0);
        assert!(activity.is_speaking());
        for _ in 0..24 {
            activity.hear(-65.0);
        }
        assert!(activity.is_speaking());
        activity.hear(-65.0);
        assert!(!activity.is_speaking());
    }

    #[test]
    fn a_steady_noise_is_not_speech_after_a_while() {
        assert!(!after(&[(1_000, -52.0)]).is_speaking());
        assert!(after(&[(1_000, -52.0), (1, -40.0)]).is_speaking());
    }

    #[test]
    fn who_speaks_without_a_pause_is_never_taken_for_noise() {
        assert!(after(&[(50_000, -45.0)]).is_speaking());
    }

    #[test]
    fn quiet_rooms_hear_quiet_voices() {
        assert!(after(&[(200, -75.0), (3, -58.0)]).is_speaking());
    }

    #[test]
    fn with_the_lowest_ceiling_everybody_who_sounds_speaks() {
        let mut activity = Activity::new(SILENCE_DBFS);
        activity.hear(-99.0);
        assert!(activity.is_speaking());
    }

    #[test]
    fn levels_are_those_of_rfc_6464() {
        assert_eq!(level_dbfs(&[0; 160]), SILENCE_DBFS);
        assert!(level_dbfs(&[i16::MIN; 160]).abs() < 0.1);
        let mut late = [0; 160];
        late[120..].fill(3_277);
        assert!((level_dbfs(&late) + 20.0).abs() < 0.1);
    }
}
