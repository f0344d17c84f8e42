// SPDX-License-Identifier: MPL-2.0
//! The floor: what the codec alone costs for the same frames, with nothing around it.

use std::time::Duration;

use anyhow::Result;
use gstsipbridge::codec::{OpusDecoder, OpusEncoder, OpusSettings};
use serde::Serialize;

use super::Bench;
use crate::load::Sound;
use crate::machine;

/// How long to encode, and how long to decode.
const LOOK: Duration = Duration::from_millis(1_500);

/// As many calls as a core carries: they have to share its caches, whoever encodes.
const CALLS: usize = 100;

/// libopus alone, on the core that is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Floor {
    pub rate_hz: u32,
    pub complexity: u8,
    /// A frame of 20 ms, in microseconds.
    pub encode_us: f64,
    pub decode_us: f64,
    /// A call that talks both ways all the time, of a core.
    pub percent_per_call: f64,
}

impl Floor {
    pub fn calls_per_core(&self) -> f64 {
        100.0 / self.percent_per_call
    }
}

/// Encodes and decodes what a call would.
pub fn floor(bench: &Bench, rate_hz: u32, settings: OpusSettings) -> Result<Floor> {
    bench.progress.step("the codec alone", LOOK * 2);
    let core = bench.cores.measured;
    let sounds = &bench.speech;
    let said = sounds
        .speech
        .wave(Sound::Phone)
        .resampled(8_000)
        .resampled(rate_hz);
    let heard = sounds.opus.room.clone();
    let (encode_us, decode_us) = std::thread::scope(|scope| {
        scope
            .spawn(move || {
                machine::pin(core)?;
                let frames: Vec<&[i16]> =
                    said.samples.chunks_exact(rate_hz as usize / 50).collect();
                let mut packet = Vec::new();
                let mut encoders = (0..CALLS)
                    .map(|_| OpusEncoder::new(rate_hz, settings))
                    .collect::<Result<Vec<_>, _>>()?;
                let encode_us = timed(&mut encoders, &frames, |encoder, frame| {
                    packet.clear();
                    encoder.encode(frame, &mut packet);
                });
                drop(encoders);
                let mut pcm = Vec::new();
                let mut decoders = (0..CALLS)
                    .map(|_| OpusDecoder::new(rate_hz))
                    .collect::<Result<Vec<_>, _>>()?;
                let decode_us = timed(&mut decoders, &heard.frames, |decoder, frame| {
                    pcm.clear();
                    decoder.decode(frame, &mut pcm);
                });
                anyhow::Ok((encode_us, decode_us))
            })
            .join()
            .unwrap_or_else(|_| anyhow::bail!("the codec panicked"))
    })?;
    Ok(Floor {
        rate_hz,
        complexity: settings.complexity,
        encode_us,
        decode_us,
        percent_per_call: (encode_us + decode_us) / 20_000.0 * 100.0,
    })
}

/// Microseconds of processor time a frame takes, all calls in turn.
fn timed<C, F>(calls: &mut [C], frames: &[F], mut work: impl FnMut(&mut C, &F)) -> f64 {
    let from = machine::thread_cpu_time();
    let mut done = 0u32;
    let mut at = 0usize;
    loop {
        for (number, call) in calls.iter_mut().enumerate() {
            if let Some(frame) = frames.get((at + number * 37) % frames.len().max(1)) {
                work(call, frame);
                done += 1;
            }
        }
        at += 1;
        let spent = machine::thread_cpu_time().saturating_sub(from);
        if spent >= LOOK || done == 0 {
            return spent.as_secs_f64() * 1e6 / f64::from(done.max(1));
        }
    }
}
