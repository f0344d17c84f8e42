// SPDX-License-Identifier: MPL-2.0
//! G.711: decoding by the crate audio-codec, concealment by spandsp. Encoding is arithmetic: a mixer
//! does it for each speaker of a room.

use audio_codec::Decoder as _;
use audio_codec::pcma::PcmaDecoder;
use audio_codec::pcmu::PcmuDecoder;
use sip_ua::sdp::Codec;

use super::CodecError;
use super::concealment::Concealment;

const RATE_HZ: u32 = 8_000;

enum Law {
    A(PcmaDecoder),
    Mu(PcmuDecoder),
}

/// A-law or µ-law to samples.
pub struct G711Decoder {
    law: Law,
    concealment: Concealment,
}

impl G711Decoder {
    /// A decoder of [`Codec::Pcma`]; of µ-law for anything else.
    pub fn new(codec: Codec) -> Result<G711Decoder, CodecError> {
        Ok(G711Decoder {
            law: match codec {
                Codec::Pcma => Law::A(PcmaDecoder::new()),
                _ => Law::Mu(PcmuDecoder::new()),
            },
            concealment: Concealment::new(RATE_HZ)?,
        })
    }

    /// Appends the samples of one packet.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        let from = pcm.len();
        pcm.resize(from + payload.len(), 0);
        let room = pcm.get_mut(from..).unwrap_or_default();
        // There is a sample's room for each byte: there is no other error.
        let _ = match &mut self.law {
            Law::A(decoder) => decoder.decode_into(payload, room),
            Law::Mu(decoder) => decoder.decode_into(payload, room),
        };
        self.concealment.pass(pcm, from);
    }

    /// Appends what stands in for lost samples.
    pub fn conceal(&mut self, samples: u32, pcm: &mut Vec<i16>) {
        self.concealment.conceal(samples as usize, pcm);
    }
}

/// Samples to A-law or µ-law: so little arithmetic that it needs no elements around it.
#[derive(Debug, Clone, Copy)]
pub struct G711Encoder {
    law: fn(i16) -> u8,
}

impl G711Encoder {
    /// An encoder of [`Codec::Pcma`]; of µ-law for anything else.
    pub fn new(codec: Codec) -> G711Encoder {
        G711Encoder {
            law: if codec == Codec::Pcma { alaw } else { mulaw },
        }
    }

    /// Appends one byte a sample.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        payload.extend(pcm.iter().copied().map(self.law));
    }
}

/// The µ-law code nearest to a sample: sign, segment, step, all inverted (ITU-T G.711 table 2a).
fn mulaw(sample: i16) -> u8 {
    const BIAS: u16 = 132;
    const LOUDEST: u16 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(LOUDEST) + BIAS;
    let segment = 8 - magnitude.leading_zeros();
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// The A-law code nearest to a sample: sign, segment, step, every other bit inverted (ITU-T G.711
/// table 1a).
fn alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 {
        (0, !sample as u16 >> 4)
    } else {
        (0x80, sample as u16 >> 4)
    };
    let code = if magnitude < 16 {
        magnitude as u8
    } else {
        let segment = 12 - magnitude.leading_zeros();
        let step = (magnitude >> (segment - 1)) & 0x0f;
        (segment << 4) as u8 | step as u8
    };
    (sign | code) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ITU-T G.711 table 2a, as arithmetic.
    fn from_mulaw(code: u8) -> i16 {
        let code = !code;
        let magnitude = ((i16::from(code & 0x0f) << 3) + 0x84) << ((code >> 4) & 7);
        if code & 0x80 != 0 {
            0x84 - magnitude
        } else {
            magnitude - 0x84
        }
    }

    /// ITU-T G.711 table 1a, as arithmetic.
    fn from_alaw(code: u8) -> i16 {
        let code = code ^ 0x55;
        let step = i16::from(code & 0x0f) << 4;
        let magnitude = match (code >> 4) & 7 {
            0 => step + 8,
            segment => (step + 0x108) << (segment - 1),
        };
        if code & 0x80 != 0 {
            magnitude
        } else {
            -magnitude
        }
    }

    #[test]
    fn decoding_is_bit_exact_and_encoding_its_inverse() {
        gst::init().unwrap();
        let codes: Vec<u8> = (0..=255).collect();
        type Law = fn(u8) -> i16;
        for (codec, law) in [
            (Codec::Pcmu, from_mulaw as Law),
            (Codec::Pcma, from_alaw as Law),
        ] {
            let mut pcm = Vec::new();
            let mut decoder = G711Decoder::new(codec).unwrap();
            for packet in codes.chunks(64) {
                decoder.decode(packet, &mut pcm);
            }
            let expected: Vec<i16> = codes.iter().map(|code| law(*code)).collect();
            assert_eq!(pcm, expected, "{codec}");
            let mut payload = Vec::new();
            G711Encoder::new(codec).encode(&pcm, &mut payload);
            assert_eq!(payload.len(), codes.len());
            for (code, back) in codes.iter().zip(&payload) {
                // µ-law has two zeros.
                assert!(
                    code == back || law(*code) == law(*back),
                    "{codec} {code} {back}"
                );
            }
        }
    }

    #[test]
    fn every_sample_is_within_half_a_step_of_what_its_code_stands_for() {
        for (codec, law) in [
            (Codec::Pcmu, from_mulaw as fn(u8) -> i16),
            (Codec::Pcma, from_alaw),
        ] {
            let mut sizes: Vec<i32> = (0..=255).map(|code| i32::from(law(code)).abs()).collect();
            sizes.sort_unstable();
            let loudest = sizes[255];
            let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
            let mut payload = Vec::new();
            G711Encoder::new(codec).encode(&samples, &mut payload);
            for (sample, code) in samples.into_iter().map(i32::from).zip(payload) {
                let means = i32::from(law(code));
                assert!(
                    means == 0 || (means < 0) == (sample < 0),
                    "{codec} {sample}"
                );
                let next = sizes[sizes.partition_point(|size| *size <= means.abs()).min(255)];
                let half = if means.abs() == loudest {
                    1_024
                } else {
                    (next - means.abs()) / 2
                };
                assert!((means - sample).abs() <= half, "{codec} {sample} {means}");
            }
        }
    }

    #[test]
    fn what_is_lost_is_concealed_by_what_was_heard() {
        gst::init().unwrap();
        let mut decoder = G711Decoder::new(Codec::Pcma).unwrap();
        let mut encoder = G711Encoder::new(Codec::Pcma);
        let mut pcm = Vec::new();
        let mut payload = Vec::new();
        for frame in 0..10 {
            let tone: Vec<i16> = (0..160)
                .map(|i| {
                    let t = f64::from(frame * 160 + i) / 8_000.0;
                    (f64::sin(t * 200.0 * std::f64::consts::TAU) * 8_000.0) as i16
                })
                .collect();
            payload.clear();
            encoder.encode(&tone, &mut payload);
            decoder.decode(&payload, &mut pcm);
        }
        pcm.clear();
        decoder.conceal(160, &mut pcm);
        assert_eq!(pcm.len(), 160);
        let loud = pcm.iter().filter(|sample| sample.abs() > 2_000).count();
        assert!(loud > 80, "only {loud} of 160 samples are loud");
        decoder.decode(&payload, &mut pcm);
        assert_eq!(pcm.len(), 320);
    }
}
