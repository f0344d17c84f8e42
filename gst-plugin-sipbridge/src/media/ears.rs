// SPDX-License-Identifier: MPL-2.0
//! Digits that come as tones: found in what is about to be handed out, and taken out of it, so that
//! nobody behind us hears or counts them a second time.

use std::time::Instant;

use sip_ua::sdp::Codec;

use super::api::{AudioOut, OutFrame};
use crate::codec::Decoder;
use crate::tones::{Listener, Press};

/// Listens for tones in one call's audio.
#[derive(Default)]
pub(super) struct Ears {
    listener: Listener,
    /// For packets that are passed on as they came.
    decoder: Option<(Codec, Decoder)>,
    pcm: Vec<i16>,
}

impl Ears {
    /// Hears samples on their way out. Pieces of 20 ms in which a tone sounds become silence.
    pub(super) fn samples(&mut self, rate_hz: u32, pcm: &mut [i16]) {
        for piece in pcm.chunks_mut((rate_hz as usize / 50).max(1)) {
            if self.listener.hear(rate_hz, piece) {
                piece.fill(0);
            }
        }
    }

    /// Hears a packet on its way out. Says whether a tone sounds in it.
    pub(super) fn packet(&mut self, codec: Codec, payload: &[u8]) -> bool {
        let rate_hz = match codec {
            // Tones are all below 2 kHz.
            Codec::Opus => 8_000,
            other => other.audio_rate(),
        };
        if self
            .decoder
            .as_ref()
            .is_none_or(|(other, _)| *other != codec)
        {
            self.decoder = Decoder::new(codec, rate_hz)
                .map(|decoder| (codec, decoder))
                .inspect_err(|error| tracing::debug!(%error, "tones are not listened for"))
                .ok();
        }
        let Some((_, decoder)) = &mut self.decoder else {
            return false;
        };
        self.pcm.clear();
        decoder.decode(payload, &mut self.pcm);
        self.listener.hear(decoder.rate_hz(), &self.pcm)
    }

    /// Hears nothing for so long.
    pub(super) fn silence(&mut self, length_us: u64) {
        self.pcm.clear();
        self.pcm.resize((length_us * 8 / 1_000) as usize, 0);
        self.listener.hear(8_000, &self.pcm);
    }

    /// The line breaks off: what comes next has nothing to do with what was.
    pub(super) fn reset(&mut self) {
        self.listener.reset();
    }

    /// The next key that was let go of.
    pub(super) fn poll(&mut self) -> Option<Press> {
        self.listener.poll()
    }
}

/// Takes the far end's audio where nobody else does, so that tones in it are found all the same.
pub(super) struct Nobody(pub(super) Instant);

impl AudioOut for Nobody {
    fn running_time(&self) -> Option<gst::ClockTime> {
        gst::ClockTime::try_from(self.0.elapsed()).ok()
    }

    fn frame(&mut self, _frame: OutFrame) {}
}
