// SPDX-License-Identifier: MPL-2.0
//! What the phone heard, laid out on a timeline: where nothing came there is silence of that length.

use std::time::Duration;

/// A hole shorter than this is rounding, not a loss.
const TOLERANCE: Duration = Duration::from_millis(1);
/// A jump further than this is a broken timestamp, not an hour of silence.
const LONGEST_HOLE: Duration = Duration::from_secs(600);

/// Collects audio by its timestamps.
pub struct Recorder {
    rate_hz: u32,
    samples: Vec<i16>,
    first_pts: Option<Duration>,
    /// Of each frame: arrival less its place on the timeline, in microseconds.
    offsets_us: Vec<i64>,
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Mono samples.
    pub samples: Vec<i16>,
    /// When sample 0 was heard, in monotonic microseconds.
    pub start_us: u64,
}

impl Recorder {
    /// For mono audio of this rate.
    pub fn new(rate_hz: u32) -> Recorder {
        Recorder {
            rate_hz,
            samples: Vec::new(),
            first_pts: None,
            offsets_us: Vec::new(),
        }
    }

    /// Takes a frame that stands at `pts` and arrived at `arrived_us` (monotonic).
    pub fn frame(&mut self, pts: Duration, arrived_us: u64, frame: &[i16]) {
        let first = *self.first_pts.get_or_insert(pts);
        let at = pts.saturating_sub(first);
        let hole = at.saturating_sub(self.duration(self.samples.len()));
        if hole > TOLERANCE && hole < LONGEST_HOLE {
            let missing = (hole.as_secs_f64() * f64::from(self.rate_hz)).round() as usize;
            self.samples.resize(self.samples.len() + missing, 0);
        }
        let place_us = self.duration(self.samples.len()).as_micros() as i64;
        self.offsets_us.push(arrived_us as i64 - place_us);
        self.samples.extend_from_slice(frame);
    }

    /// How much there is so far.
    pub fn len(&self) -> Duration {
        self.duration(self.samples.len())
    }

    /// True before the first frame.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The whole, with the instant of its first sample. Single frames arrive early or late, so that
    /// instant is the median over all of them.
    pub fn finish(mut self) -> Option<Recording> {
        let middle = self.offsets_us.len() / 2;
        if self.offsets_us.is_empty() {
            return None;
        }
        let (_, median, _) = self.offsets_us.select_nth_unstable(middle);
        let start_us = u64::try_from(*median).unwrap_or(0);
        Some(Recording {
            samples: self.samples,
            start_us,
        })
    }

    fn duration(&self, samples: usize) -> Duration {
        Duration::from_secs_f64(samples as f64 / f64::from(self.rate_hz))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [i16; 160] = [7; 160];

    #[test]
    fn a_missing_frame_is_silence_of_its_length() {
        let mut recorder = Recorder::new(8000);
        for n in [0u64, 1, 3] {
            recorder.frame(
                Duration::from_millis(500 + 20 * n),
                1_000_000 + 20_000 * n,
                &FRAME,
            );
        }
        let recording = recorder.finish().unwrap();
        assert_eq!(recording.samples.len(), 4 * 160);
        assert!(recording.samples[320..480].iter().all(|s| *s == 0));
        assert!(recording.samples[480..].iter().all(|s| *s == 7));
        assert_eq!(recording.start_us, 1_000_000);
    }

    #[test]
    fn one_late_frame_does_not_move_the_start() {
        let mut recorder = Recorder::new(8000);
        for n in 0..9u64 {
            let late = if n == 0 { 15_000 } else { 0 };
            recorder.frame(
                Duration::from_millis(20 * n),
                5_000_000 + 20_000 * n + late,
                &FRAME,
            );
        }
        assert_eq!(recorder.finish().unwrap().start_us, 5_000_000);
        assert_eq!(Recorder::new(8000).finish(), None);
    }

    #[test]
    fn timestamps_that_stand_still_or_leap_add_no_silence() {
        let mut recorder = Recorder::new(8000);
        recorder.frame(Duration::ZERO, 0, &FRAME);
        recorder.frame(Duration::ZERO, 0, &FRAME);
        recorder.frame(Duration::from_secs(100_000), 0, &FRAME);
        assert_eq!(recorder.len(), Duration::from_millis(60));
    }
}
