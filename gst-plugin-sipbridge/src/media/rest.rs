// SPDX-License-Identifier: MPL-2.0
//! Silence that nobody needs is not decoded. In a large room most are silent, and decoding their silence
//! would be most of the work: where a room hears nothing of somebody, packets that say themselves that
//! they hold no voice are put aside, and the last of them bring the decoder up to date when it is needed
//! again.

use sip_ua::sdp::Codec;

use super::feed::is_quiet;
use crate::codec::opus_has_no_voice;
use crate::mixer::level_dbfs;

/// So many packets in a row have no voice before one is put aside.
const SILENT: u32 = 5;

/// One in so many is decoded all the same: what is no voice to an encoder may be music, and grow loud.
const LOOK_EVERY: u32 = 50;

/// Packets that bring a decoder up to date.
const KEPT: usize = 2;

/// One far end's packets without a voice.
#[derive(Default)]
pub(super) struct Rest {
    voiceless: u32,
    rested: u32,
    quiet: bool,
    level_dbfs: f32,
    /// The last that were put aside, oldest first; empty ones are none.
    kept: [Vec<u8>; KEPT],
}

impl Rest {
    /// Whether this packet need not be decoded, `allowed` being whether anybody would hear silence.
    pub(super) fn takes(&mut self, allowed: bool, codec: Codec, payload: &[u8]) -> bool {
        if codec != Codec::Opus || !opus_has_no_voice(payload) {
            self.voiceless = 0;
            return false;
        }
        self.voiceless = self.voiceless.saturating_add(1);
        if !allowed || !self.quiet || self.voiceless <= SILENT {
            return false;
        }
        self.rested = self.rested.wrapping_add(1);
        if self.rested.is_multiple_of(LOOK_EVERY) {
            return false;
        }
        self.kept.rotate_left(1);
        if let Some(last) = self.kept.last_mut() {
            last.clear();
            last.extend_from_slice(payload);
        }
        true
    }

    /// Whether packets are being put aside.
    pub(super) fn is_resting(&self) -> bool {
        self.kept.last().is_some_and(|packet| !packet.is_empty())
    }

    /// What was put aside last, for a decoder that is to go on.
    pub(super) fn wakes(&mut self, mut decode: impl FnMut(&[u8])) {
        for packet in &mut self.kept {
            if !packet.is_empty() {
                decode(packet);
                packet.clear();
            }
        }
    }

    /// What the packet that was judged last sounds like.
    pub(super) fn heard(&mut self, pcm: &[i16]) {
        if self.voiceless > 0 {
            self.quiet = is_quiet(pcm);
            self.level_dbfs = level_dbfs(pcm);
        }
    }

    /// How loud what is put aside is, so far as that is known.
    pub(super) fn level_dbfs(&self) -> f32 {
        self.level_dbfs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{OpusEncoder, OpusSettings};

    /// Packets of 20 ms, as a browser makes them: a word, then faint noise of this size.
    fn packets(noise: f64) -> Vec<Vec<u8>> {
        let settings = OpusSettings {
            bitrate_bps: 32_000,
            ..OpusSettings::default()
        };
        let mut encoder = OpusEncoder::new(16_000, settings).unwrap();
        let mut random = 1u32;
        let mut packets = Vec::new();
        for frame in 0..400 {
            let pcm: Vec<i16> = (0..320)
                .map(|sample| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let faint = (f64::from(random >> 16) / 32_768.0 - 1.0) * noise;
                    let at = f64::from(frame * 320 + sample) / 16_000.0;
                    // A vowel that swells and dies away four times a second.
                    let loud = match frame {
                        50..100 => 6_000.0 * (at * 25.0).sin().abs(),
                        _ => 0.0,
                    };
                    let vowel: f64 = (1..8)
                        .map(|n| (at * 130.0 * f64::from(n) * std::f64::consts::TAU).sin())
                        .sum();
                    (faint + loud * vowel / 4.0) as i16
                })
                .collect();
            let mut packet = Vec::new();
            encoder.encode(&pcm, &mut packet);
            packets.push(packet);
        }
        packets
    }

    /// Which of them were put aside.
    fn put_aside(packets: &[Vec<u8>], allowed: bool, quiet: bool) -> Vec<bool> {
        let mut rest = Rest::default();
        let level = if quiet { 20 } else { 2_000 };
        packets
            .iter()
            .map(|packet| {
                let aside = rest.takes(allowed, Codec::Opus, packet);
                if !aside {
                    rest.heard(&[level; 320]);
                }
                aside
            })
            .collect()
    }

    #[test]
    fn silence_is_put_aside_and_words_are_not() {
        let aside = put_aside(&packets(40.0), true, true);
        assert!(!aside[52..102].contains(&true), "{aside:?}");
        let late = aside[250..].iter().filter(|aside| **aside).count();
        // Nearly all of it, but for a look now and then, and for what the encoder takes for a voice.
        assert!((120..150).contains(&late), "{late}");
    }

    #[test]
    fn what_somebody_hears_and_what_is_loud_is_decoded() {
        let packets = packets(40.0);
        assert!(!put_aside(&packets, false, true).contains(&true));
        assert!(!put_aside(&packets, true, false).contains(&true));
    }

    #[test]
    fn a_decoder_that_goes_on_is_given_what_came_last() {
        let mut rest = Rest::default();
        let silent: Vec<Vec<u8>> = packets(40.0).split_off(200);
        for packet in &silent {
            if !rest.takes(true, Codec::Opus, packet) {
                rest.wakes(|_| {});
                rest.heard(&[20; 320]);
            }
        }
        assert!(rest.is_resting());
        assert!((-66.0..-60.0).contains(&rest.level_dbfs()));
        assert!(!rest.takes(true, Codec::Pcmu, &[0xff; 160]));
        let mut given = Vec::new();
        rest.wakes(|packet| given.push(packet.to_vec()));
        assert_eq!(given, silent[silent.len() - KEPT..]);
        assert!(!rest.is_resting());
    }
}
