// SPDX-License-Identifier: MPL-2.0
//! What is sent in the pauses of speech (DTX): nothing, but for what keeps the far end's silence
//! sounding like ours.

use sip_ua::sdp::Codec;

use crate::codec::noise::{Background, Noise};
use crate::codec::voice::VoiceDetector;

/// Comfort noise is said anew when its level changed by so much, at most so often, and anyway after
/// the longest of these: address translators forget who says nothing.
const CHANGE_DB: u8 = 3;
const CHANGE_MS: u32 = 200;
const AGAIN_MS: u32 = 2_000;

/// A packet of Opus that often is what its decoders expect in silence.
const REFRESH_MS: u32 = 400;

/// What the codec and the far end make of pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// All is sent.
    #[default]
    Off,
    /// Comfort noise takes their place (RFC 3389).
    Noise,
    /// A packet now and then does (Opus).
    Refresh,
}

impl Mode {
    /// What may become of pauses in this codec where they need not be sent, `noise` saying that the far
    /// end takes comfort noise.
    pub(super) fn of(codec: Codec, noise: bool) -> Mode {
        match codec {
            Codec::Opus => Mode::Refresh,
            _ if noise => Mode::Noise,
            _ => Mode::Off,
        }
    }
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Say {
    /// Encode and send it.
    Frame,
    /// Send this in its place.
    Noise(Noise),
    /// Send nothing.
    Nothing,
}

/// The pauses of one stream. Knows time by the length of what it judges.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    mode: Mode,
    voice: VoiceDetector,
    background: Background,
    pausing: bool,
    /// Since something was said in this pause.
    quiet_ms: u32,
    said: Option<Noise>,
}

impl Pauses {
    pub(super) fn set_mode(&mut self, mode: Mode) {
        if self.mode != mode {
            *self = Pauses {
                mode,
                ..Pauses::default()
            };
        }
    }

    /// Whether pauses may be left out.
    pub(super) fn are_left_out(&self) -> bool {
        self.mode != Mode::Off
    }

    pub(super) fn judge(&mut self, pcm: &[i16], rate_hz: u32) -> Say {
        if self.mode == Mode::Off {
            return Say::Frame;
        }
        if self.voice.is_speech(pcm, rate_hz) {
            self.pausing = false;
            return Say::Frame;
        }
        self.background.listen(pcm);
        let began = !std::mem::replace(&mut self.pausing, true);
        self.quiet_ms += (pcm.len() as u32 * 1_000 / rate_hz.max(1)).max(1);
        match self.mode {
            Mode::Off => Say::Frame,
            Mode::Noise => self.noise(began),
            Mode::Refresh if began => {
                self.quiet_ms = 0;
                Say::Nothing
            }
            Mode::Refresh if self.quiet_ms >= REFRESH_MS => {
                self.quiet_ms = 0;
                Say::Frame
            }
            Mode::Refresh => Say::Nothing,
        }
    }

    fn noise(&mut self, began: bool) -> Say {
        let Some(noise) = self.background.noise() else {
            return Say::Frame;
        };
        let changed = self
            .said
            .is_none_or(|said| said.level_db().abs_diff(noise.level_db()) >= CHANGE_DB);
        if began || self.quiet_ms >= AGAIN_MS || changed && self.quiet_ms >= CHANGE_MS {
            self.quiet_ms = 0;
            self.said = Some(noise);
            return Say::Noise(noise);
        }
        Say::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::noise::NoiseMaker;

    fn word(frames: usize) -> Vec<i16> {
        (0..frames * 160)
            .map(|i| (f64::sin(i as f64 * 0.3) * 6_000.0) as i16)
            .collect()
    }

    fn room(level_db: u8, frames: usize) -> Vec<i16> {
        let mut pcm = Vec::new();
        NoiseMaker::new(9).make(&Noise::white(level_db), frames * 160, &mut pcm);
        pcm
    }

    fn said(pauses: &mut Pauses, pcm: &[i16]) -> Vec<Say> {
        pcm.chunks(160)
            .map(|frame| pauses.judge(frame, 8_000))
            .collect()
    }

    fn pauses(mode: Mode) -> Pauses {
        let mut pauses = Pauses::default();
        pauses.set_mode(mode);
        said(&mut pauses, &room(60, 100));
        pauses
    }

    #[test]
    fn a_pause_is_one_packet_of_noise_and_another_every_two_seconds() {
        let mut pauses = pauses(Mode::Noise);
        assert!(
            said(&mut pauses, &word(50))
                .iter()
                .all(|say| *say == Say::Frame)
        );
        let pause = said(&mut pauses, &room(60, 250));
        let frames = pause.iter().take_while(|say| **say == Say::Frame).count();
        assert_eq!(frames, 12, "words are not cut off");
        let noises: Vec<usize> = (0..pause.len())
            .filter(|at| matches!(pause[*at], Say::Noise(_)))
            .collect();
        assert_eq!(noises, [12, 112, 212]);
        let Say::Noise(noise) = pause[12] else {
            panic!("{:?}", pause[12]);
        };
        assert!(noise.level_db().abs_diff(60) <= 2);
    }

    #[test]
    fn a_room_that_becomes_quieter_is_told_of() {
        let mut pauses = pauses(Mode::Noise);
        let quieter = said(&mut pauses, &room(75, 60));
        let noises = quieter.iter().filter(|say| matches!(say, Say::Noise(_)));
        assert!((1..=6).contains(&noises.count()));
    }

    #[test]
    fn opus_says_a_frame_in_four_hundred_milliseconds() {
        let mut pauses = pauses(Mode::Refresh);
        said(&mut pauses, &word(50));
        let pause = said(&mut pauses, &room(60, 212));
        let frames = pause.iter().skip(12).filter(|say| **say == Say::Frame);
        assert_eq!(frames.count(), 9);
    }

    #[test]
    fn without_leave_all_is_sent() {
        let mut pauses = pauses(Mode::Off);
        assert!(
            said(&mut pauses, &room(60, 100))
                .iter()
                .all(|say| *say == Say::Frame)
        );
    }
}
