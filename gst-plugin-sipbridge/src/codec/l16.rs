// SPDX-License-Identifier: MPL-2.0
//! Linear samples in network byte order (RFC 3551 section 4.5.11), mono at 16 kHz.

use super::CodecError;
use super::concealment::Concealment;

const RATE_HZ: u32 = 16_000;

/// L16 to samples.
pub struct L16Decoder {
    concealment: Concealment,
}

impl L16Decoder {
    /// A decoder at rest.
    pub fn new() -> Result<L16Decoder, CodecError> {
        Ok(L16Decoder {
            concealment: Concealment::new(RATE_HZ)?,
        })
    }

    /// Appends the samples of one packet.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        let (pairs, _) = payload.as_chunks::<2>();
        let from = pcm.len();
        pcm.extend(pairs.iter().map(|pair| i16::from_be_bytes(*pair)));
        self.concealment.pass(pcm, from);
    }

    /// Appends what stands in for lost samples.
    pub fn conceal(&mut self, samples: u32, pcm: &mut Vec<i16>) {
        self.concealment.conceal(samples as usize, pcm);
    }
}

/// Appends samples as a packet holds them.
pub fn encode(pcm: &[i16], payload: &mut Vec<u8>) {
    payload.extend(pcm.iter().flat_map(|sample| sample.to_be_bytes()));
}
