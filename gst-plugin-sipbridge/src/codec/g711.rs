// SPDX-License-Identifier: MPL-2.0
//! G.711 by GStreamer's stock elements, concealment by spandsp.

use sip_ua::sdp::Codec;

use super::CodecError;
use super::chain::{Chain, append_samples, duration, raw_caps, write_samples};

const RATE_HZ: u32 = 8_000;

fn law_caps(codec: Codec) -> gst::Caps {
    let name = if codec == Codec::Pcma {
        "audio/x-alaw"
    } else {
        "audio/x-mulaw"
    };
    gst::Caps::builder(name)
        .field("rate", RATE_HZ as i32)
        .field("channels", 1)
        .build()
}

/// A-law or µ-law to samples.
pub struct G711Decoder {
    chain: Chain,
}

impl G711Decoder {
    /// A decoder of [`Codec::Pcma`]; of µ-law for anything else.
    pub fn new(codec: Codec) -> Result<G711Decoder, CodecError> {
        let elements = if codec == Codec::Pcma {
            ["alawdec", "spanplc"]
        } else {
            ["mulawdec", "spanplc"]
        };
        let chain = Chain::new(
            "G.711 decoding",
            &elements,
            &law_caps(codec),
            &raw_caps(RATE_HZ),
        )?;
        Ok(G711Decoder { chain })
    }

    /// Appends the samples of one packet.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        let wanted = pcm.len() + payload.len();
        self.chain
            .push(payload, duration(payload.len(), RATE_HZ), |bytes| {
                append_samples(bytes, pcm);
            });
        // Time goes on even if an element fails.
        pcm.resize(wanted, 0);
    }

    /// Appends what stands in for lost samples.
    pub fn conceal(&mut self, samples: u32, pcm: &mut Vec<i16>) {
        let wanted = pcm.len() + samples as usize;
        self.chain
            .gap(duration(samples as usize, RATE_HZ), |bytes| {
                append_samples(bytes, pcm);
            });
        pcm.resize(wanted, 0);
    }
}

/// Samples to A-law or µ-law.
pub struct G711Encoder {
    chain: Chain,
    bytes: Vec<u8>,
}

impl G711Encoder {
    /// An encoder of [`Codec::Pcma`]; of µ-law for anything else.
    pub fn new(codec: Codec) -> Result<G711Encoder, CodecError> {
        let element = if codec == Codec::Pcma {
            "alawenc"
        } else {
            "mulawenc"
        };
        let chain = Chain::new(
            "G.711 encoding",
            &[element],
            &raw_caps(RATE_HZ),
            &law_caps(codec),
        )?;
        Ok(G711Encoder {
            chain,
            bytes: Vec::new(),
        })
    }

    /// Appends one byte a sample.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        write_samples(pcm, &mut self.bytes);
        self.chain
            .push(&self.bytes, duration(pcm.len(), RATE_HZ), |bytes| {
                payload.extend_from_slice(bytes);
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ITU-T G.711 table 2a, as arithmetic.
    fn mulaw(code: u8) -> i16 {
        let code = !code;
        let magnitude = ((i16::from(code & 0x0f) << 3) + 0x84) << ((code >> 4) & 7);
        if code & 0x80 != 0 {
            0x84 - magnitude
        } else {
            magnitude - 0x84
        }
    }

    /// ITU-T G.711 table 1a, as arithmetic.
    fn alaw(code: u8) -> i16 {
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
        for (codec, law) in [(Codec::Pcmu, mulaw as Law), (Codec::Pcma, alaw as Law)] {
            let mut pcm = Vec::new();
            let mut decoder = G711Decoder::new(codec).unwrap();
            for packet in codes.chunks(64) {
                decoder.decode(packet, &mut pcm);
            }
            let expected: Vec<i16> = codes.iter().map(|code| law(*code)).collect();
            assert_eq!(pcm, expected, "{codec}");
            let mut payload = Vec::new();
            G711Encoder::new(codec).unwrap().encode(&pcm, &mut payload);
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
    fn what_is_lost_is_concealed_by_what_was_heard() {
        gst::init().unwrap();
        let mut decoder = G711Decoder::new(Codec::Pcma).unwrap();
        let mut encoder = G711Encoder::new(Codec::Pcma).unwrap();
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
