// SPDX-License-Identifier: MPL-2.0
//! What a side says, decoded for whoever listens in, sans-IO.

use sip_ua::sdp::Codec;

use super::super::api::{AudioOut, OutFrame};
use crate::codec::chain::{Resampler, duration, write_samples};
use crate::codec::{CodecError, Decoder};
use crate::leg::Relayed;

/// How far what is heard may be from the time at which it came. A network's jitter is less; clocks that drift and
/// a far end that was held up come to more.
const SLACK: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// Whoever listens in, and at which rate: 8000, 16000 or 48000 Hz.
pub type Listener = (u32, Box<dyn AudioOut>);

/// A codec, and the way from it to the rate that is wanted.
struct Hearing {
    codec: Codec,
    decoder: Decoder,
    resampler: Option<Resampler>,
}

impl Hearing {
    fn new(codec: Codec, rate_hz: u32) -> Result<Hearing, CodecError> {
        let decoder = Decoder::new(codec, rate_hz)?;
        let from_hz = decoder.rate_hz();
        let resampler = (from_hz != rate_hz).then(|| Resampler::new(from_hz, rate_hz));
        Ok(Hearing {
            codec,
            decoder,
            resampler: resampler.transpose()?,
        })
    }
}

/// A tap on one direction.
pub(super) struct Tap {
    sink: Box<dyn AudioOut>,
    rate_hz: u32,
    hearing: Option<Hearing>,
    /// The running time at which what was heard so far ends.
    position: Option<gst::ClockTime>,
    /// A codec that cannot be decoded is tried once.
    refused: Option<Codec>,
    scratch: Vec<i16>,
    pcm: Vec<i16>,
}

impl Tap {
    pub(super) fn new((rate_hz, sink): Listener) -> Tap {
        Tap {
            sink,
            rate_hz,
            hearing: None,
            position: None,
            refused: None,
            scratch: Vec::new(),
            pcm: Vec::new(),
        }
    }

    /// Hands over what this comes to.
    pub(super) fn hear(&mut self, relayed: &Relayed<'_>) {
        let Some(now) = self.sink.running_time() else {
            // Nothing plays. What is said meanwhile is heard by nobody.
            self.position = None;
            return;
        };
        let (codec, paused) = match *relayed {
            Relayed::Frame {
                codec, talkspurt, ..
            } => (codec, talkspurt),
            Relayed::Lost { codec, .. } => (codec, false),
            Relayed::Noise(_) => return,
        };
        // Far ends whose clock is fast, and packets that come in lumps: time does not run ahead.
        let ahead = |position: gst::ClockTime| position > now + SLACK;
        if self.position.is_some_and(ahead) || !self.prepare(codec) {
            return;
        }
        self.decode(relayed);
        if self.pcm.is_empty() {
            return;
        }
        // After a pause time is what the clock says.
        let slack = if paused { gst::ClockTime::ZERO } else { SLACK };
        let stays = |position: &gst::ClockTime| *position + slack >= now;
        let (pts, is_break) = match self.position.filter(stays) {
            Some(position) => (position, false),
            None => (now, true),
        };
        let length = duration(self.pcm.len(), self.rate_hz);
        let mut bytes = Vec::with_capacity(self.pcm.len() * 2);
        write_samples(&self.pcm, &mut bytes);
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let fresh = buffer.make_mut();
        fresh.set_pts(pts);
        fresh.set_duration(length);
        if is_break {
            fresh.set_flags(gst::BufferFlags::DISCONT);
        }
        self.position = Some(pts + length);
        self.sink.frame(OutFrame::Audio(buffer));
    }

    /// False: there is no decoder for it.
    fn prepare(&mut self, codec: Codec) -> bool {
        let known = |hearing: &Hearing| hearing.codec == codec;
        if self.hearing.as_ref().is_some_and(known) {
            return true;
        }
        if self.refused == Some(codec) {
            return false;
        }
        match Hearing::new(codec, self.rate_hz) {
            Ok(hearing) => {
                self.hearing = Some(hearing);
                true
            }
            Err(error) => {
                tracing::warn!(%codec, %error, "what a side of a bridge says cannot be listened to");
                self.refused = Some(codec);
                false
            }
        }
    }

    /// What it comes to, in `pcm`.
    fn decode(&mut self, relayed: &Relayed<'_>) {
        self.pcm.clear();
        self.scratch.clear();
        let Some(hearing) = &mut self.hearing else {
            return;
        };
        let decoded = match hearing.resampler {
            Some(_) => &mut self.scratch,
            None => &mut self.pcm,
        };
        match *relayed {
            Relayed::Frame { payload, .. } => hearing.decoder.decode(payload, decoded),
            Relayed::Lost { samples, next, .. } => hearing.decoder.conceal(samples, next, decoded),
            Relayed::Noise(_) => {}
        }
        if let Some(resampler) = &mut hearing.resampler {
            resampler.push(&self.scratch, &mut self.pcm);
        }
    }
}
