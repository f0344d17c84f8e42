// SPDX-License-Identifier: MPL-2.0
//! G.722 at 64 kbit/s: 16 kHz audio in two bands of ADPCM, from the crate audio-codec.

use audio_codec::g722::{G722Decoder as Expand, G722Encoder as Compress};
use audio_codec::{Decoder as _, Encoder as _};

use super::CodecError;
use super::concealment::Concealment;

const RATE_HZ: u32 = 16_000;

/// Samples in a byte, and in a unit of the RTP clock.
const SAMPLES: usize = 2;

/// The steps of silence, one after the other: of all pairs the one that leaves a decoder that just
/// heard speech the quietest (−61 dBFS, measured).
const SILENCE: [u8; 2] = [0xfc, 0xfa];

/// Appends so many bytes of silence, without an encoder.
pub(super) fn silence(bytes: usize, payload: &mut Vec<u8>) {
    payload.extend(SILENCE.iter().cycle().take(bytes));
}

/// G.722 to samples.
pub struct G722Decoder {
    decoder: Expand,
    concealment: Concealment,
}

impl G722Decoder {
    /// A decoder at rest.
    pub fn new() -> Result<G722Decoder, CodecError> {
        Ok(G722Decoder {
            decoder: Expand::new(),
            concealment: Concealment::new(RATE_HZ)?,
        })
    }

    /// Appends the samples of one packet: two a byte.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        let from = pcm.len();
        pcm.resize(from + payload.len() * SAMPLES, 0);
        let room = pcm.get_mut(from..).unwrap_or_default();
        // The room is exactly what a payload of this length takes: there is no other error.
        let _ = self.decoder.decode_into(payload, room);
        self.concealment.pass(pcm, from);
    }

    /// Appends what stands in for `units` of the RTP clock that were lost.
    pub fn conceal(&mut self, units: u32, pcm: &mut Vec<i16>) {
        self.concealment.conceal(units as usize * SAMPLES, pcm);
    }
}

/// Samples to G.722.
pub struct G722Encoder {
    encoder: Compress,
    pending: Option<i16>,
    samples: Vec<i16>,
}

impl Default for G722Encoder {
    fn default() -> G722Encoder {
        G722Encoder::new()
    }
}

impl G722Encoder {
    /// An encoder at rest.
    pub fn new() -> G722Encoder {
        G722Encoder {
            encoder: Compress::new(),
            pending: None,
            samples: Vec::new(),
        }
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.encoder = Compress::new();
        self.pending = None;
    }

    /// Appends a byte for every two samples; an odd one waits for its fellow.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        self.samples.clear();
        self.samples.extend(self.pending.take());
        self.samples.extend_from_slice(pcm);
        if !self.samples.len().is_multiple_of(SAMPLES) {
            self.pending = self.samples.pop();
        }
        let from = payload.len();
        payload.resize(from + self.encoder.max_encode_bytes(self.samples.len()), 0);
        let written = match payload.get_mut(from..) {
            // The room is the codec's own upper bound: there is no other error.
            Some(room) => self.encoder.encode_into(&self.samples, room).unwrap_or(0),
            None => 0,
        };
        payload.truncate(from + written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|i| {
                let t = i as f64 / f64::from(RATE_HZ);
                (f64::sin(t * hz * std::f64::consts::TAU) * 8_000.0) as i16
            })
            .collect()
    }

    fn energy(pcm: &[i16]) -> f64 {
        pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64
    }

    /// How much louder the tone is than what else there is, at the delay of least difference.
    fn signal_to_noise_db(said: &[i16], heard: &[i16]) -> f64 {
        let noise = (0..64)
            .map(|delay| {
                let difference: Vec<i16> = said
                    .iter()
                    .zip(&heard[delay..])
                    .skip(400)
                    .map(|(a, b)| a.wrapping_sub(*b))
                    .collect();
                energy(&difference)
            })
            .fold(f64::INFINITY, f64::min);
        10.0 * (energy(said) / noise).log10()
    }

    #[test]
    fn both_bands_come_through() {
        gst::init().unwrap();
        for (hz, at_least_db) in [(440.0, 20.0), (1_000.0, 20.0), (5_000.0, 12.0)] {
            let said = tone(hz, 8_000);
            let (mut payload, mut heard) = (Vec::new(), Vec::new());
            let mut encoder = G722Encoder::new();
            // Odd lengths lose nothing.
            for piece in said.chunks(333) {
                encoder.encode(piece, &mut payload);
            }
            assert_eq!(payload.len(), 4_000);
            let mut decoder = G722Decoder::new().unwrap();
            for packet in payload.chunks(160) {
                decoder.decode(packet, &mut heard);
            }
            assert_eq!(heard.len(), 8_000);
            let found = signal_to_noise_db(&said, &heard);
            assert!(found > at_least_db, "{hz} Hz: {found} dB");
        }
    }

    #[test]
    fn silence_is_silent_even_after_speech() {
        gst::init().unwrap();
        let mut payload = Vec::new();
        G722Encoder::new().encode(&tone(700.0, 16_000), &mut payload);
        let mut decoder = G722Decoder::new().unwrap();
        let mut pcm = Vec::new();
        decoder.decode(&payload, &mut pcm);
        pcm.clear();
        let mut quiet = Vec::new();
        silence(800, &mut quiet);
        decoder.decode(&quiet, &mut pcm);
        let tail = &pcm[800..];
        assert!(energy(tail).sqrt() < 33.0, "{}", energy(tail).sqrt());
    }

    #[test]
    fn what_is_lost_is_concealed_by_what_was_heard() {
        gst::init().unwrap();
        let mut payload = Vec::new();
        G722Encoder::new().encode(&tone(400.0, 3_200), &mut payload);
        let mut decoder = G722Decoder::new().unwrap();
        let mut pcm = Vec::new();
        decoder.decode(&payload, &mut pcm);
        pcm.clear();
        decoder.conceal(160, &mut pcm);
        assert_eq!(pcm.len(), 320);
        let loud = pcm.iter().filter(|sample| sample.abs() > 2_000).count();
        assert!(loud > 160, "only {loud} of 320 samples are loud");
    }
}
