// SPDX-License-Identifier: MPL-2.0
//! How long sound takes from RTP in to RTP out: sweeps are found in what was sent and in what came
//! back, each at the time of the packet that holds it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use sip_ua::sdp::Codec;
use sipbridge_measure::Wave;

use super::speech::{Ear, PERIOD_FRAMES, RATE_HZ, template};
use super::tally::{Heard, Packet};

/// A match less alike than this is none.
const LEAST: f32 = 0.6;
const FRAME: usize = RATE_HZ as usize / 50;

const FRAME_NS: i64 = 20_000_000;

/// Packets by which a far end knows how quick they can be.
const FOLLOWED: usize = 100;

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

/// What a far end hears that plays each packet `depth` after the quickest one would have been there, and
/// conceals what has not come by then: the simplest jitter buffer there is.
pub fn played(packets: &[Packet], codec: Codec, rate_hz: u32, depth: Duration) -> Result<Wave> {
    let step = f64::from(codec.clock_rate() / 50);
    let Some(first) = packets.first() else {
        return Ok(Wave::silence(rate_hz, Duration::ZERO));
    };
    // The frame a packet holds, and how much later it came than frames do.
    let arrivals = packets.iter().map(|packet| {
        let since = packet.timestamp.wrapping_sub(first.timestamp) as i32;
        let frame = (f64::from(since) / step).round() as i64;
        let transit_ns = packet.at_ns as i64 - first.at_ns as i64 - frame * FRAME_NS;
        (frame, transit_ns, packet)
    });
    let arrivals: Vec<_> = arrivals.collect();
    // Who sends may skip in time; a far end follows.
    let mut in_time = BTreeMap::new();
    for (index, (frame, transit_ns, packet)) in arrivals.iter().enumerate() {
        let recent = arrivals[..=index].iter().rev().take(FOLLOWED);
        let quickest = recent.map(|(_, transit, _)| *transit).min();
        if transit_ns - quickest.unwrap_or_default() <= depth.as_nanos() as i64 {
            in_time.insert(*frame, *packet);
        }
    }
    // Opus decodes at any rate, the others at their own alone.
    let own_hz = match codec {
        Codec::Opus => rate_hz,
        other => other.audio_rate(),
    };
    let mut ear = Ear::new(codec, own_hz)?;
    let mut samples = Vec::new();
    if let (Some((first, _)), Some((last, _))) =
        (in_time.first_key_value(), in_time.last_key_value())
    {
        for frame in *first..=*last {
            samples.extend_from_slice(match in_time.get(&frame) {
                Some(packet) => ear.hear(&packet.payload),
                None => ear.miss(),
            });
        }
    }
    let heard = Wave {
        rate_hz: own_hz,
        samples,
    };
    Ok(heard.resampled(rate_hz))
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
    let mut ear = Ear::new(codec, RATE_HZ)?;
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

    /// Packets that overtake each other are put in order, and what is too late is as good as lost.
    #[test]
    fn what_is_played_is_what_came_in_time() {
        gst::init().unwrap();
        let mut heard = echoed(Codec::Pcmu, 5_000_000, &[]);
        let whole = played(&heard.sent, Codec::Pcmu, RATE_HZ, Duration::ZERO).unwrap();
        heard.received[100].at_ns += 35_000_000;
        heard.received.sort_by_key(|packet| packet.at_ns);
        let depth = |ms| {
            played(
                &heard.received,
                Codec::Pcmu,
                RATE_HZ,
                Duration::from_millis(ms),
            )
        };
        assert_eq!(depth(40).unwrap().samples, whole.samples);
        let twice = played(&heard.sent, Codec::Pcmu, 2 * RATE_HZ, Duration::ZERO).unwrap();
        assert_eq!(twice.samples.len(), 2 * whole.samples.len());
        let late = depth(30).unwrap().samples;
        assert_eq!(late.len(), whole.samples.len());
        assert_eq!(late[..100 * FRAME], whole.samples[..100 * FRAME]);
        assert_ne!(
            late[100 * FRAME..101 * FRAME],
            whole.samples[100 * FRAME..101 * FRAME]
        );
    }
}
