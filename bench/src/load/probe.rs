// SPDX-License-Identifier: MPL-2.0
//! How long sound takes from RTP in to RTP out: sweeps are found in what was sent and in what came
//! back, each at the time of the packet that holds it.

use anyhow::Result;
use serde::Serialize;
use sip_ua::sdp::Codec;
use sipbridge_measure::Wave;

use super::speech::{Ear, PERIOD_FRAMES, RATE_HZ, template};
use super::tally::{Heard, Packet};

/// A match less alike than this is none.
const LEAST: f32 = 0.6;
const FRAME: usize = RATE_HZ as usize / 50;

/// A longer pause, in frames, is another timeline.
const PAUSE_MAX: u32 = 3_000;

/// Delays, in milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Delays {
    /// All of them, in order of size.
    #[serde(skip)]
    pub sorted_ms: Vec<f64>,
    /// Sweeps that were sent and not found again.
    pub missing: usize,
}

impl Delays {
    pub fn add(&mut self, other: Delays) {
        self.sorted_ms.extend(other.sorted_ms);
        self.sorted_ms.sort_by(f64::total_cmp);
        self.missing += other.missing;
    }

    /// The delay that so many percent stay within.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let last = self.sorted_ms.len().checked_sub(1)?;
        let index = (last as f64 * percent / 100.0).round() as usize;
        self.sorted_ms.get(index).copied()
    }
}

/// The delays of all sweeps of one direction: `sent` in one codec, `received` in another.
pub fn delays(heard: &Heard, sent: Codec, received: Codec) -> Result<Delays> {
    let said = places(&heard.sent, sent)?;
    let found = places(&heard.received, received)?;
    let period_ns = PERIOD_FRAMES as f64 * 20e6;
    let mut delays = Delays::default();
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        delays.missing = said.len();
        return Ok(delays);
    };
    for at in said {
        // Those under way at the ends of the recording are nobody's loss.
        if at + period_ns > *last || at < *first - period_ns / 2.0 {
            continue;
        }
        let next = found.iter().find(|found| **found >= at - 2e6);
        match next.map(|found| (found - at) / 1e6) {
            Some(ms) if ms < period_ns / 1e6 - 2.0 => delays.sorted_ms.push(ms),
            _ => delays.missing += 1,
        }
    }
    delays.sorted_ms.sort_by(f64::total_cmp);
    Ok(delays)
}

/// What packets sound like, at the telephone's rate.
pub fn heard_as(packets: &[Packet], codec: Codec) -> Result<Wave> {
    Ok(Wave {
        rate_hz: RATE_HZ,
        samples: timeline(packets, codec)?.pcm,
    })
}

/// Samples, and at which of them each packet begins, with its time.
#[derive(Default)]
struct Timeline {
    pcm: Vec<i16>,
    starts: Vec<(usize, u64)>,
}

fn timeline(packets: &[Packet], codec: Codec) -> Result<Timeline> {
    let mut packets: Vec<&Packet> = packets.iter().collect();
    packets.sort_by_key(|packet| packet.at_ns);
    let mut ear = Ear::new(codec)?;
    let Timeline {
        mut pcm,
        mut starts,
    } = Timeline::default();
    let mut before: Option<&Packet> = None;
    for packet in packets {
        if let Some(before) = before {
            let ahead = packet.sequence.wrapping_sub(before.sequence);
            if !(1..0x8000).contains(&ahead) {
                continue;
            }
            let frames =
                packet.timestamp.wrapping_sub(before.timestamp) / (codec.clock_rate() / 50);
            let paused = frames.saturating_sub(u32::from(ahead));
            if paused < PAUSE_MAX {
                pcm.resize(pcm.len() + paused as usize * FRAME, 0);
            }
            for missed in 1..ahead.min(50) {
                pcm.extend_from_slice(ear.miss());
                starts.push((pcm.len(), before.at_ns + u64::from(missed) * 20_000_000));
            }
        }
        let start = pcm.len();
        pcm.extend_from_slice(ear.hear(&packet.payload));
        starts.push((start, packet.at_ns));
        before = Some(packet);
    }
    Ok(Timeline { pcm, starts })
}

/// When each sweep sounds: nanoseconds on the packets' clock, as if each packet were played from the
/// moment it came.
fn places(packets: &[Packet], codec: Codec) -> Result<Vec<f64>> {
    let Timeline { pcm, starts } = timeline(packets, codec)?;
    Ok(peaks(&pcm, &template())
        .into_iter()
        .filter_map(|sample| {
            let index = starts.partition_point(|(start, _)| (*start as f64) <= sample);
            let (start, at_ns) = starts.get(index.checked_sub(1)?)?;
            Some(*at_ns as f64 + (sample - *start as f64) * 1e9 / f64::from(RATE_HZ))
        })
        .collect())
}

/// Where in the samples the template stands.
fn peaks(pcm: &[i16], template: &[f32]) -> Vec<f64> {
    let energy: f32 = template.iter().map(|s| s * s).sum();
    let score: Vec<f32> = pcm
        .windows(template.len())
        .map(|window| {
            let (mut product, mut power) = (0.0, 1e6);
            for (sample, wanted) in window.iter().zip(template) {
                let sample = f32::from(*sample);
                product += sample * wanted;
                power += sample * sample;
            }
            product / (power * energy).sqrt()
        })
        .collect();
    let apart = PERIOD_FRAMES * FRAME / 2;
    let mut found: Vec<f64> = Vec::new();
    let mut index = 0;
    while index < score.len() {
        if score[index] < LEAST {
            index += 1;
            continue;
        }
        let end = (index + apart / 4).min(score.len());
        let best = (index..end)
            .max_by(|a, b| score[*a].total_cmp(&score[*b]))
            .unwrap_or(index);
        found.push(best as f64);
        index = best + apart;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::speech::{Sound, Speech};
    use super::*;

    /// A stream of sweeps that comes back `delay_ns` later, some packets lost.
    fn echoed(codec: Codec, delay_ns: u64, lost: &[usize]) -> Heard {
        let media = Speech::load()
            .unwrap()
            .encode(Sound::Sweeps, codec)
            .unwrap();
        let mut heard = Heard::default();
        for (number, payload) in media.frames.iter().cycle().take(500).enumerate() {
            let mut packet = Packet {
                at_ns: 1_000_000_000 + number as u64 * 20_000_000,
                sequence: (65_000 + number) as u16,
                timestamp: number as u32 * media.step(),
                payload: payload.clone(),
            };
            heard.sent.push(packet.clone());
            packet.at_ns += delay_ns;
            if !lost.contains(&number) {
                heard.received.push(packet);
            }
        }
        heard
    }

    #[test]
    fn a_known_delay_is_found() {
        gst::init().unwrap();
        for codec in [Codec::Pcmu, Codec::Opus] {
            let delays = delays(&echoed(codec, 31_400_000, &[]), codec, codec).unwrap();
            assert!(delays.sorted_ms.len() >= 38, "{}", delays.sorted_ms.len());
            assert_eq!(delays.missing, 0);
            for percent in [0.0, 50.0, 100.0] {
                let found = delays.percentile(percent).unwrap();
                assert!((found - 31.4).abs() < 0.3, "{codec} {percent} %: {found}");
            }
        }
    }

    #[test]
    fn a_loss_does_not_move_what_follows() {
        gst::init().unwrap();
        let heard = echoed(Codec::Pcmu, 5_000_000, &[24, 25, 100, 101, 102]);
        let delays = delays(&heard, Codec::Pcmu, Codec::Pcmu).unwrap();
        let worst = delays.percentile(100.0).unwrap();
        assert!((worst - 5.0).abs() < 0.3, "{worst}");
    }
}
