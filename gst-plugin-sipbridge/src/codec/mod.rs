// SPDX-License-Identifier: MPL-2.0
//! Between samples and payloads: signed 16-bit mono on one side, the bytes of a packet on the other.
//!
//! Concealment and resampling are GStreamer's stock elements, pushed by whoever asks ([`chain`]); G.711
//! is decoded by the crate audio-codec and encoded by arithmetic ([`g711`]); G.722 is that crate's
//! ([`g722`]), Opus libopus's single-stream API ([`opus`]).

pub mod chain;
mod concealment;
pub mod g711;
pub mod g722;
pub mod l16;
pub mod noise;
pub mod opus;
mod opus_state;
pub mod stretch;
pub mod voice;

pub use opus::{
    OpusDecoder, OpusEncoder, carries_copy as opus_carries_copy, has_no_voice as opus_has_no_voice,
    packet_samples as opus_packet_samples,
};

use gst::glib;
use sip_ua::sdp::{Codec, OpusFmtp};

/// What Opus is tuned for: one of libopus's applications, named as GStreamer's `opusenc` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSipBridgeOpusAudioType")]
pub enum OpusAudioType {
    /// One voice, to be understood at few bits and over bad lines: libopus codes it as speech (SILK)
    /// wherever that may be better.
    #[default]
    #[enum_value(name = "One voice, at few bits and over bad lines", nick = "voice")]
    Voice,
    /// Whatever sounds: above some 18 kb/s libopus codes it as music (CELT), for a third of the work, and
    /// as speech only where losses make forward error correction worth it.
    #[enum_value(name = "Whatever sounds, such as many voices", nick = "generic")]
    Generic,
}

/// What a far end wants no more of (RFC 7587 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusLimits {
    /// Bits a second (`maxaveragebitrate`).
    pub bitrate_bps: Option<u32>,
    /// The sampling rate that it plays (`maxplaybackrate`): what sounds above half of that is for nobody.
    pub playback_rate_hz: u32,
    /// As many bits for every packet (`cbr`), for a line that has room for just so many, and for who would hear
    /// from the length of encrypted packets what is said (RFC 6562).
    pub cbr: bool,
}

impl OpusLimits {
    /// It takes whatever comes.
    pub const NONE: OpusLimits = OpusLimits {
        bitrate_bps: None,
        playback_rate_hz: 48_000,
        cbr: false,
    };
}

/// How Opus is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusSettings {
    /// What it is tuned for.
    pub audio_type: OpusAudioType,
    /// 0 (cheapest) to 10 (best).
    pub complexity: u8,
    /// Bits a second; 0: as fits the sample rate ([`OpusSettings::bitrate_at`]).
    pub bitrate_bps: u32,
    /// Each packet carries a coarse copy of the one before (in-band forward error correction).
    pub inband_fec: bool,
    /// The loss the encoder should expect, in percent; forward error correction needs some.
    pub packet_loss_percent: u8,
    /// Send next to nothing in silence.
    pub dtx: bool,
    /// What the far end wants no more of.
    pub limits: OpusLimits,
}

impl OpusSettings {
    /// The same for a far end that says so of its Opus. Copies of packets are sent to who can use them.
    #[must_use]
    pub fn heeding(self, fmtp: &OpusFmtp) -> OpusSettings {
        OpusSettings {
            inband_fec: self.inband_fec && fmtp.use_inband_fec,
            limits: OpusLimits {
                bitrate_bps: fmtp.max_average_bitrate,
                playback_rate_hz: fmtp.max_playback_rate_hz,
                cbr: fmtp.cbr,
            },
            ..self
        }
    }

    /// Bits a second at this sample rate; 0: what libopus chooses. For one voice below 48 kHz that is too
    /// little: 10 kb/s of a telephone's, which are 3.5 of PESQ's points where 24 kb/s are 4.2.
    pub fn bitrate_at(&self, rate_hz: u32) -> u32 {
        let wanted = match (self.bitrate_bps, self.audio_type, rate_hz) {
            (0, OpusAudioType::Voice, ..=8_000) => 24_000,
            (0, OpusAudioType::Voice, ..=16_000) => 32_000,
            (wanted, ..) => wanted,
        };
        match (self.limits.bitrate_bps, wanted) {
            (None, wanted) => wanted,
            // What libopus chooses for frames of 20 ms.
            (Some(most), 0) => most.min(rate_hz + 3_000),
            (Some(most), wanted) => most.min(wanted),
        }
    }
}

impl Default for OpusSettings {
    fn default() -> OpusSettings {
        OpusSettings {
            audio_type: OpusAudioType::Voice,
            complexity: 5,
            bitrate_bps: 0,
            inband_fec: true,
            packet_loss_percent: 5,
            dtx: false,
            limits: OpusLimits::NONE,
        }
    }
}

/// Why a codec could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A stock element is not installed.
    #[error("the GStreamer element {0} is missing: install the package that holds it")]
    MissingElement(&'static str),
    /// A chain of stock elements did not start.
    #[error("cannot start the {0} chain: {1}")]
    Chain(&'static str, String),
    /// libopus refused.
    #[error("libopus refuses to {0}: {1}")]
    Opus(&'static str, &'static str),
    /// No codec runs at this rate.
    #[error("no codec runs at {0} Hz: 8000, 16000 or 48000 will do")]
    Rate(u32),
}

/// From packets to samples.
pub enum Decoder {
    /// G.711, at 8000 Hz.
    G711(g711::G711Decoder),
    /// G.722, at 16000 Hz.
    G722(Box<g722::G722Decoder>),
    /// Linear samples, at 16000 Hz.
    L16(l16::L16Decoder),
    /// Opus, at the rate asked for.
    Opus(Box<OpusDecoder>),
}

impl Decoder {
    /// A decoder that gives samples as near to `rate_hz` as the codec can: Opus exactly, the
    /// others at the rate of their audio.
    pub fn new(codec: Codec, rate_hz: u32) -> Result<Decoder, CodecError> {
        Ok(match codec {
            Codec::Pcmu | Codec::Pcma => Decoder::G711(g711::G711Decoder::new(codec)?),
            Codec::G722 => Decoder::G722(Box::new(g722::G722Decoder::new()?)),
            Codec::L16 => Decoder::L16(l16::L16Decoder::new()?),
            Codec::Opus => Decoder::Opus(Box::new(OpusDecoder::new(rate_hz)?)),
        })
    }

    /// The rate of the samples it gives.
    pub fn rate_hz(&self) -> u32 {
        match self {
            Decoder::G711(_) => 8_000,
            Decoder::G722(_) | Decoder::L16(_) => 16_000,
            Decoder::Opus(opus) => opus.rate_hz(),
        }
    }

    /// Appends the samples of one packet to `pcm`. What cannot be decoded is concealed.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        match self {
            Decoder::G711(g711) => g711.decode(payload, pcm),
            Decoder::G722(g722) => g722.decode(payload, pcm),
            Decoder::L16(l16) => l16.decode(payload, pcm),
            Decoder::Opus(opus) => opus.decode(payload, pcm),
        }
    }

    /// Forgets what was concealed since the last packet: nothing was lost. Matters where decoding leans on
    /// what was decoded before, concealment included.
    pub fn forget_concealment(&mut self) {
        if let Decoder::Opus(opus) = self {
            opus.forget_concealment();
        }
    }

    /// Appends what stands in for `samples` RTP clock units that were lost. `next`: the packet
    /// after them.
    pub fn conceal(&mut self, samples: u32, next: Option<&[u8]>, pcm: &mut Vec<i16>) {
        match self {
            Decoder::G711(g711) => g711.conceal(samples, pcm),
            Decoder::G722(g722) => g722.conceal(samples, pcm),
            Decoder::L16(l16) => l16.conceal(samples, pcm),
            Decoder::Opus(opus) => opus.conceal(samples, next, pcm),
        }
    }
}

/// From samples to packets.
pub enum Encoder {
    /// G.711, from 8000 Hz.
    G711(g711::G711Encoder),
    /// G.722, from 16000 Hz.
    G722(Box<g722::G722Encoder>),
    /// Linear samples, from 16000 Hz.
    L16,
    /// Opus, from 8000, 16000 or 48000 Hz.
    Opus(Box<OpusEncoder>),
}

impl Encoder {
    /// An encoder for samples at a rate as near to `rate_hz` as the codec can take.
    pub fn new(codec: Codec, rate_hz: u32, opus: OpusSettings) -> Result<Encoder, CodecError> {
        Ok(match codec {
            Codec::Pcmu | Codec::Pcma => Encoder::G711(g711::G711Encoder::new(codec)),
            Codec::G722 => Encoder::G722(Box::default()),
            Codec::L16 => Encoder::L16,
            Codec::Opus => Encoder::Opus(Box::new(OpusEncoder::new(rate_hz, opus)?)),
        })
    }

    /// The rate of the samples it takes.
    pub fn rate_hz(&self) -> u32 {
        match self {
            Encoder::G711(_) => 8_000,
            Encoder::G722(_) | Encoder::L16 => 16_000,
            Encoder::Opus(opus) => opus.rate_hz(),
        }
    }

    /// Encodes one packet's samples; empty: nothing is to be sent (DTX).
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        payload.clear();
        match self {
            Encoder::G711(g711) => g711.encode(pcm, payload),
            Encoder::G722(g722) => g722.encode(pcm, payload),
            Encoder::L16 => l16::encode(pcm, payload),
            Encoder::Opus(opus) => opus.encode(pcm, payload),
        }
    }

    /// As [`Encoder::encode`]. Where the codec can do so, the packet leans on none before it, for a
    /// decoder that has heard the same audio from another encoder so far.
    pub fn encode_afresh(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        match self {
            Encoder::Opus(opus) => {
                payload.clear();
                opus.encode_afresh(pcm, payload);
            }
            other => other.encode(pcm, payload),
        }
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        match self {
            Encoder::G711(_) | Encoder::L16 => {}
            Encoder::G722(g722) => g722.reset(),
            Encoder::Opus(opus) => opus.reset(),
        }
    }
}

/// A packet of silence, `samples` RTP clock units long where the codec lets one choose, and how
/// long it is. It costs no encoder.
pub fn silence(codec: Codec, samples: u32, payload: &mut Vec<u8>) -> u32 {
    payload.clear();
    match codec {
        Codec::Pcmu => payload.resize(samples as usize, 0xff),
        Codec::Pcma => payload.resize(samples as usize, 0xd5),
        Codec::G722 => g722::silence(samples as usize, payload),
        Codec::L16 => payload.resize(samples as usize * 2, 0),
        Codec::Opus => {
            let frames = opus::silence(samples, payload);
            return frames;
        }
    }
    samples
}
