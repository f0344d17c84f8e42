// SPDX-License-Identifier: MPL-2.0
//! What stands in for lost samples: spandsp's guess from the pitch before.
//!
//! Only a loss costs anything: until then what is heard passes by, and the end of it is kept.

use super::CodecError;
use super::chain::{Chain, append_samples, duration, raw_caps, write_samples};

/// What spandsp looks back at: the longest pitch and the stretch it is found in.
const HISTORY: usize = 280;

/// The least that spandsp is asked for: it begins with a quarter of a pitch, at most 30 samples, and writes
/// all of that, however few were asked for.
const LEAST: usize = 40;

/// Hands samples through, and makes some up where none came.
pub(super) struct Concealment {
    chain: Chain,
    rate_hz: u32,
    /// What was heard last, `HISTORY` samples at the end of it.
    heard: Vec<i16>,
    /// Samples were made up: those that follow are faded into.
    mending: bool,
    /// What was made up beyond what was asked for.
    ahead: Vec<i16>,
    bytes: Vec<u8>,
}

impl Concealment {
    pub(super) fn new(rate_hz: u32) -> Result<Concealment, CodecError> {
        let raw = raw_caps(rate_hz);
        Ok(Concealment {
            chain: Chain::new("concealment", &["spanplc"], &raw, &raw)?,
            rate_hz,
            heard: Vec::with_capacity(2 * HISTORY),
            mending: false,
            ahead: Vec::with_capacity(2 * LEAST),
            bytes: Vec::new(),
        })
    }

    /// What came after the `from`th sample of `pcm` is heard.
    pub(super) fn pass(&mut self, pcm: &mut Vec<i16>, from: usize) {
        let Some(came) = pcm.get(from..).filter(|came| !came.is_empty()) else {
            return;
        };
        if std::mem::take(&mut self.mending) {
            self.ahead.clear();
            let wanted = pcm.len();
            write_samples(came, &mut self.bytes);
            pcm.truncate(from);
            self.chain.push(
                &self.bytes,
                duration(wanted - from, self.rate_hz),
                |bytes| {
                    append_samples(bytes, pcm);
                },
            );
            // Time goes on even if an element fails.
            pcm.resize(wanted, 0);
        }
        self.remember(pcm.get(from..).unwrap_or_default());
    }

    /// Appends so many samples that never came.
    pub(super) fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        if !std::mem::replace(&mut self.mending, true) {
            write_samples(&self.heard, &mut self.bytes);
            let length = duration(self.heard.len(), self.rate_hz);
            self.chain.push(&self.bytes, length, |_| {});
        }
        let (from, wanted) = (pcm.len(), pcm.len() + samples);
        if let Some(more) = samples.checked_sub(self.ahead.len()).filter(|n| *n > 0) {
            let Concealment { chain, ahead, .. } = self;
            chain.gap(duration(more.max(LEAST), self.rate_hz), |bytes| {
                append_samples(bytes, ahead);
            });
        }
        pcm.extend(self.ahead.drain(..samples.min(self.ahead.len())));
        // Time goes on even if an element fails.
        pcm.resize(wanted, 0);
        self.remember(pcm.get(from..).unwrap_or_default());
    }

    fn remember(&mut self, samples: &[i16]) {
        let fresh = samples
            .get(samples.len().saturating_sub(HISTORY)..)
            .unwrap_or_default();
        let old = (self.heard.len() + fresh.len()).saturating_sub(HISTORY);
        self.heard.drain(..old);
        self.heard.extend_from_slice(fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(samples: std::ops::Range<usize>) -> Vec<i16> {
        samples
            .map(|at| {
                let turns = at as f64 / 8_000.0 * std::f64::consts::TAU;
                (f64::sin(turns * 170.0) * 5_000.0 + f64::sin(turns * 510.0) * 2_500.0) as i16
            })
            .collect()
    }

    /// What an element makes of it that hears everything.
    fn by_element(packets: &[Option<Vec<i16>>]) -> Vec<i16> {
        let raw = raw_caps(8_000);
        let mut chain = Chain::new("all of it", &["spanplc"], &raw, &raw).unwrap();
        let (mut pcm, mut bytes) = (Vec::new(), Vec::new());
        let length = duration(160, 8_000);
        for packet in packets {
            match packet {
                Some(samples) => {
                    write_samples(samples, &mut bytes);
                    chain.push(&bytes, length, |bytes| append_samples(bytes, &mut pcm));
                }
                None => chain.gap(length, |bytes| append_samples(bytes, &mut pcm)),
            }
        }
        pcm
    }

    #[test]
    fn it_sounds_as_if_it_had_heard_everything() {
        gst::init().unwrap();
        let lost = [0, 7, 8, 12, 14, 20, 21, 22, 31];
        let packets: Vec<_> = (0..40)
            .map(|packet| {
                let samples = voice(packet * 160..(packet + 1) * 160);
                (!lost.contains(&packet)).then_some(samples)
            })
            .collect();
        let mut concealment = Concealment::new(8_000).unwrap();
        let mut pcm = Vec::new();
        for packet in &packets {
            match packet {
                Some(samples) => {
                    let from = pcm.len();
                    pcm.extend_from_slice(samples);
                    concealment.pass(&mut pcm, from);
                }
                None => concealment.conceal(160, &mut pcm),
            }
        }
        assert_eq!(pcm, by_element(&packets));
    }

    /// A sender of tiny packets is concealed in tiny pieces.
    #[test]
    fn pieces_of_any_length_sound_as_one() {
        gst::init().unwrap();
        let whole = |pieces: &[usize]| {
            let mut concealment = Concealment::new(8_000).unwrap();
            let mut pcm = voice(0..400);
            concealment.pass(&mut pcm, 0);
            for length in pieces {
                concealment.conceal(*length, &mut pcm);
            }
            pcm
        };
        let expected = whole(&[LEAST; 4]);
        assert!(expected[400..].iter().any(|sample| sample.abs() > 2_000));
        for length in [1, 2, 5, 8, 20] {
            let pieces = vec![length; 4 * LEAST / length];
            assert_eq!(whole(&pieces), expected, "{length}");
        }
    }
}
