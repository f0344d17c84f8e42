// SPDX-License-Identifier: MPL-2.0
//! What stands in for lost wide-band samples: spandsp's guess from the pitch before.

use super::CodecError;
use super::chain::{Chain, append_samples, duration, raw_caps, write_samples};

const RATE_HZ: u32 = 16_000;

/// Hands samples through, and makes some up where none came.
pub(super) struct Concealment {
    chain: Chain,
    bytes: Vec<u8>,
}

impl Concealment {
    pub(super) fn new() -> Result<Concealment, CodecError> {
        let raw = raw_caps(RATE_HZ);
        Ok(Concealment {
            chain: Chain::new("wide-band concealment", &["spanplc"], &raw, &raw)?,
            bytes: Vec::new(),
        })
    }

    /// Appends `samples` to `pcm`.
    pub(super) fn pass(&mut self, samples: &[i16], pcm: &mut Vec<i16>) {
        let wanted = pcm.len() + samples.len();
        write_samples(samples, &mut self.bytes);
        let length = duration(samples.len(), RATE_HZ);
        self.chain.push(&self.bytes, length, |bytes| {
            append_samples(bytes, pcm);
        });
        // Time goes on even if an element fails.
        pcm.resize(wanted, 0);
    }

    /// Appends so many samples that never came.
    pub(super) fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let wanted = pcm.len() + samples;
        self.chain.gap(duration(samples, RATE_HZ), |bytes| {
            append_samples(bytes, pcm);
        });
        pcm.resize(wanted, 0);
    }
}
