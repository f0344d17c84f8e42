// SPDX-License-Identifier: MPL-2.0
//! What the owner of a call's media, and those who feed it, hold.

use std::net::SocketAddr;

use sip_ua::sdp::Negotiated;

use super::api::{
    AudioOut, DigitsError, Format, LegStats, MediaConfig, MediaError, MediaEvents, Pushed,
};
use crate::context::Context;

pub(super) fn open(
    _context: &Context,
    _config: MediaConfig,
    _events: MediaEvents,
) -> Result<MediaHandle, MediaError> {
    Err(crate::codec::CodecError::Rate(0).into())
}

/// Steers the media of a call. Dropping it closes the media without waiting.
pub struct MediaHandle {
    local: SocketAddr,
}

impl MediaHandle {
    /// Where we receive RTP; RTCP is the next port.
    pub fn local_rtp(&self) -> SocketAddr {
        self.local
    }

    /// Puts what offer and answer agreed on into force, at the first time and at each re-offer.
    pub fn apply(&self, _negotiated: Negotiated) {}

    /// Hands the far end's audio to `output` in `format`, or to nobody.
    pub fn set_output(&self, _output: Option<(Format, Box<dyn AudioOut>)>) {}

    /// Feeds audio towards the far end; any number of these may exist, one should push.
    pub fn input(&self) -> AudioIn {
        AudioIn {}
    }

    /// The rate at which the call's codec gives and takes samples without resampling: 8000 Hz for
    /// G.711 and before anything was agreed, 48000 Hz for Opus.
    pub fn native_rate_hz(&self) -> u32 {
        8_000
    }

    /// While muted, silence goes to the far end instead of the input.
    pub fn set_mute(&self, _mute: bool) {}

    /// Sends digits by RFC 4733, each this long (40 ms to 6 s), with 60 ms in between, after those
    /// that still wait.
    pub fn send_digits(&self, _digits: &str, _duration_ms: u32) -> Result<(), DigitsError> {
        Err(DigitsError::NotNegotiated)
    }

    /// The counters.
    pub fn stats(&self) -> LegStats {
        LegStats::default()
    }

    /// The context it runs on.
    pub fn context(&self) -> Option<&Context> {
        None
    }

    /// Says goodbye (RTCP BYE) and returns when sockets are closed and ports free again; on the
    /// context's own thread, before the loop's next round.
    pub fn close(self) {}
}

/// Where audio towards the far end goes in. Never blocks; cheap to clone.
#[derive(Clone)]
pub struct AudioIn {}

impl AudioIn {
    /// One buffer of audio of any length, in this format. Framing to the call's packet time, and
    /// transcoding if it must be, happen behind.
    pub fn push(&self, _format: Format, _buffer: gst::Buffer) -> Pushed {
        Pushed::Closed
    }

    /// Forgets what was pushed and not sent yet (a flush).
    pub fn flush(&self) {}
}
