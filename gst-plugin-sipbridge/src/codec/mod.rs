// SPDX-License-Identifier: MPL-2.0
//! Between samples and payloads.

/// How Opus is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusSettings {
    /// 0 (cheapest) to 10 (best).
    pub complexity: u8,
    /// Bits a second; 0 lets libopus choose.
    pub bitrate_bps: u32,
    /// Each packet carries a coarse copy of the one before (in-band forward error correction).
    pub inband_fec: bool,
    /// The loss the encoder should expect, in percent; forward error correction needs some.
    pub packet_loss_percent: u8,
    /// Send next to nothing in silence.
    pub dtx: bool,
}

impl Default for OpusSettings {
    fn default() -> OpusSettings {
        OpusSettings {
            complexity: 5,
            bitrate_bps: 0,
            inband_fec: true,
            packet_loss_percent: 5,
            dtx: false,
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
