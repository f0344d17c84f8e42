// SPDX-License-Identifier: MPL-2.0
//! The floor: what the codec alone costs for the same frames, with nothing around it.

use std::time::Duration;

use anyhow::Result;
use gstsipbridge::codec::{OpusDecoder, OpusEncoder, OpusSettings};
use serde::Serialize;

use super::Bench;
use super::load::repeated;
use super::strain::{Moment, Strain, Used};
use crate::load::Sound;
use crate::machine;
use crate::process::Usage;

/// How long to encode and decode.
const LOOK: Duration = Duration::from_secs(3);

/// libopus alone, on the core that is measured.
#[derive(Debug, Clone, Serialize)]
pub struct Floor {
    pub rate_hz: u32,
    pub complexity: u8,
    /// Calls that took turns: they have to share the core's caches, whoever encodes.
    pub calls: usize,
    /// A frame of 20 ms encoded and another decoded, in microseconds.
    pub both_ways_us: f64,
    #[serde(flatten)]
    pub strain: Strain,
}

impl Floor {
    pub fn calls_per_core(&self) -> f64 {
        20_000.0 / self.both_ways_us
    }
}

/// Encodes and decodes what so many calls would, in the order of a bridge: each call in turn hears a
/// frame and says one.
pub fn floor(
    bench: &mut Bench,
    calls: usize,
    rate_hz: u32,
    settings: OpusSettings,
) -> Result<Floor> {
    repeated(bench, |bench| {
        let floor = take(bench, calls, rate_hz, settings)?;
        Ok((floor.strain.clone(), floor))
    })
}

fn take(bench: &Bench, calls: usize, rate_hz: u32, settings: OpusSettings) -> Result<Floor> {
    bench.progress.step("the codec alone", LOOK);
    let own = std::process::id();
    let from = Moment::now(own, &[])?;
    let core = bench.cores.measured;
    let sounds = &bench.speech;
    let said = sounds
        .speech
        .wave(Sound::Phone)
        .resampled(8_000)
        .resampled(rate_hz);
    let heard = sounds.opus.room.clone();
    let both_ways_us = std::thread::scope(|scope| {
        scope
            .spawn(move || {
                machine::pin(core)?;
                let said: Vec<&[i16]> = said.samples.chunks_exact(rate_hz as usize / 50).collect();
                let mut codecs = (0..calls)
                    .map(|_| {
                        Ok((
                            OpusEncoder::new(rate_hz, settings)?,
                            OpusDecoder::new(rate_hz)?,
                        ))
                    })
                    .collect::<Result<Vec<_>>>()?;
                Ok(timed(&mut codecs, &said, &heard.frames))
            })
            .join()
            .unwrap_or_else(|_| anyhow::bail!("the codec panicked"))
    })?;
    let used = Used::between(&from, &Moment::now(own, &[])?, Usage::of(own)?);
    Ok(Floor {
        rate_hz,
        complexity: settings.complexity,
        calls,
        both_ways_us,
        strain: Strain::unloaded(&used),
    })
}

/// Microseconds of processor time that a frame each way takes.
fn timed(codecs: &mut [(OpusEncoder, OpusDecoder)], said: &[&[i16]], heard: &[Vec<u8>]) -> f64 {
    let (mut packet, mut pcm) = (Vec::new(), Vec::new());
    let from = machine::thread_cpu_time();
    let (mut at, mut done) = (0usize, 0u32);
    loop {
        for (number, (encoder, decoder)) in codecs.iter_mut().enumerate() {
            // Each call is somewhere else in what is said.
            let at = at + number * 37;
            if let Some(frame) = heard.get(at % heard.len().max(1)) {
                pcm.clear();
                decoder.decode(frame, &mut pcm);
            }
            if let Some(frame) = said.get(at % said.len().max(1)) {
                packet.clear();
                encoder.encode(frame, &mut packet);
            }
            done += 1;
        }
        at += 1;
        let spent = machine::thread_cpu_time().saturating_sub(from);
        if spent >= LOOK || done == 0 {
            return spent.as_secs_f64() * 1e6 / f64::from(done.max(1));
        }
    }
}
