// SPDX-License-Identifier: MPL-2.0
//! Whether somebody speaks: by level above the background, held on over the gaps between words.

/// How much louder than the background speech is, in dB.
const ABOVE_DB: f32 = 8.0;

/// What is quieter than this is not worth sending, what is louder is never taken for background: it
/// may be music, or a tone.
const FAINT_DB: f32 = -65.0;
const LOUD_DB: f32 = -40.0;

/// How fast the background may seem to become louder: the fastest speaker pauses within seconds.
const RISE_DB_A_SECOND: f32 = 6.0;

/// Speech goes on for so long after it was last heard: the gaps between words, and soft endings.
const HOLD_MS: u32 = 240;

/// Judges frame after frame.
#[derive(Debug)]
pub struct VoiceDetector {
    background_db: f32,
    hold_ms: u32,
}

impl Default for VoiceDetector {
    fn default() -> VoiceDetector {
        VoiceDetector {
            background_db: LOUD_DB,
            hold_ms: HOLD_MS,
        }
    }
}

impl VoiceDetector {
    /// Whether somebody speaks in this frame, or has just spoken.
    pub fn is_speech(&mut self, pcm: &[i16], rate_hz: u32) -> bool {
        let frame_ms = pcm.len() as u32 * 1_000 / rate_hz.max(1);
        let level_db = level_db(pcm);
        let risen_db = self.background_db + RISE_DB_A_SECOND * frame_ms as f32 / 1_000.0;
        self.background_db = level_db.min(risen_db).clamp(FAINT_DB - ABOVE_DB, LOUD_DB);
        if level_db > (self.background_db + ABOVE_DB).max(FAINT_DB) {
            self.hold_ms = HOLD_MS;
            return true;
        }
        let held = self.hold_ms > 0;
        self.hold_ms = self.hold_ms.saturating_sub(frame_ms.max(1));
        held
    }
}

/// The power of samples, in dB to full scale.
pub(crate) fn level_db(pcm: &[i16]) -> f32 {
    let power: f32 = pcm.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
    let mean = power / pcm.len().max(1) as f32;
    10.0 * (mean / (32_768.0 * 32_768.0)).max(1e-10).log10()
}

#[cfg(test)]
mod tests {
    use super::super::noise::{Noise, NoiseMaker};
    use super::*;

    fn tone(level_db: f64, samples: usize) -> Vec<i16> {
        let peak = 32_768.0 * 10f64.powf(level_db / 20.0) * std::f64::consts::SQRT_2;
        (0..samples)
            .map(|i| (f64::sin(i as f64 * 0.4) * peak) as i16)
            .collect()
    }

    #[test]
    fn words_over_a_background_are_found_whole() {
        let mut detector = VoiceDetector::default();
        let mut maker = NoiseMaker::new(5);
        let mut background = Vec::new();
        maker.make(&Noise::white(58), 8_000 * 4, &mut background);
        let settled: Vec<bool> = background
            .chunks(160)
            .map(|frame| detector.is_speech(frame, 8_000))
            .collect();
        assert!(settled[25..].iter().all(|speech| !speech));
        // A word of 400 ms: found at once, and held on to.
        let word = tone(-30.0, 3_200);
        assert!(
            word.chunks(160)
                .all(|frame| detector.is_speech(frame, 8_000))
        );
        let after: Vec<bool> = background
            .chunks(160)
            .map(|frame| detector.is_speech(frame, 8_000))
            .collect();
        let held = after.iter().take_while(|speech| **speech).count();
        assert_eq!(held, 12);
        assert!(after[held..].iter().all(|speech| !speech));
    }

    #[test]
    fn a_tone_that_does_not_end_is_not_the_background() {
        let mut detector = VoiceDetector::default();
        for frame in tone(-20.0, 8_000 * 60).chunks(160) {
            assert!(detector.is_speech(frame, 8_000));
        }
    }

    #[test]
    fn silence_is_no_speech() {
        let mut detector = VoiceDetector::default();
        let speech = (0..100).filter(|_| detector.is_speech(&[0; 160], 8_000));
        assert_eq!(speech.count(), 12);
    }
}
