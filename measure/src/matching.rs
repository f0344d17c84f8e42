// SPDX-License-Identifier: MPL-2.0
//! The comparison itself, and what counts as good.

use super::align::{STEP, delays, warp};
use super::band::{RATE_HZ, telephone_band};
use super::level::{Gap, active_level_dbfs, activity, distortion_db, gaps};
use super::wave::Wave;
use std::fmt;
use std::time::{Duration, Instant};

/// How what was heard compares with what was sent.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Match {
    /// Where in the recording the beginning of what was sent stands, the median over all of it; negative
    /// where the recording began later than the sound. `None` where nothing in it resembles what was sent.
    pub delay_ms: Option<f64>,
    /// The smallest and the largest delay on the way: drift, and a jitter buffer's adaptation.
    pub delay_range_ms: Option<(f64, f64)>,
    /// Of the aligned signals, from the first to the last word; 1 is a copy, 0 is unrelated.
    pub correlation: f32,
    /// The active speech level of what was sent, in the telephone's band.
    pub sent_dbfs: f32,
    /// The level of what was heard over the same stretches.
    pub heard_dbfs: f32,
    pub gaps: Vec<Gap>,
    /// The mean distance of the critical bands: below 0.5 for G.711 and Opus, above 7 for other speech. `None` where nothing was sent.
    pub distortion_db: Option<f32>,
}

/// What a good direction has to keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub correlation: f32,
    pub level_db: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            correlation: 0.8,
            level_db: 3.0,
        }
    }
}

/// Why a direction is not good. `Display` is one sentence without a full stop.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    NothingSent,
    NothingHeard,
    Unlike { correlation: f32, least: f32 },
    Level { difference_db: f32, most: f32 },
    Gap(Gap),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NothingSent => write!(f, "nothing was said, so nothing can be compared"),
            Fault::NothingHeard => write!(f, "nothing was heard"),
            Fault::Unlike { correlation, least } => {
                write!(
                    f,
                    "what was heard is not what was said (correlation {correlation:.2}, at least {least:.2} is asked)"
                )
            }
            Fault::Level {
                difference_db,
                most,
            } => {
                write!(
                    f,
                    "the level changed by {difference_db:+.1} dB ({most:.0} dB are allowed)"
                )
            }
            Fault::Gap(gap) => write!(
                f,
                "{} ms are missing at {:.2} s",
                gap.length.as_millis(),
                gap.at.as_secs_f64()
            ),
        }
    }
}

impl Match {
    /// What was heard against what was sent; positive is louder.
    pub fn level_difference_db(&self) -> f32 {
        self.heard_dbfs - self.sent_dbfs
    }

    /// Every fault, the gravest first; empty means good.
    pub fn faults(&self, thresholds: &Thresholds) -> Vec<Fault> {
        if self.distortion_db.is_none() {
            return vec![Fault::NothingSent];
        }
        if self.heard_dbfs < -60.0 {
            return vec![Fault::NothingHeard];
        }
        let mut faults = Vec::new();
        if self.correlation < thresholds.correlation {
            faults.push(Fault::Unlike {
                correlation: self.correlation,
                least: thresholds.correlation,
            });
        }
        if self.level_difference_db().abs() > thresholds.level_db {
            faults.push(Fault::Level {
                difference_db: self.level_difference_db(),
                most: thresholds.level_db,
            });
        }
        faults.extend(self.gaps.iter().copied().map(Fault::Gap));
        faults
    }

    pub fn is_good(&self) -> bool {
        self.faults(&Thresholds::default()).is_empty()
    }

    /// From the mouth to the ear, where the first sample of what was sent left at `sent_from`
    /// and the recording's first sample came at `heard_from`.
    pub fn mouth_to_ear(&self, sent_from: Instant, heard_from: Instant) -> Option<Duration> {
        let started = heard_from
            .saturating_duration_since(sent_from)
            .as_secs_f64()
            - sent_from
                .saturating_duration_since(heard_from)
                .as_secs_f64();
        Duration::try_from_secs_f64(self.delay_ms? / 1_000.0 + started).ok()
    }
}

/// Finds `sent` in the recording `heard` and says how well it came through.
pub fn compare(sent: &Wave, heard: &Wave) -> Match {
    let (sent, heard) = (telephone_band(sent), telephone_band(heard));
    let active = activity(&sent);
    let path = delays(&sent, &heard);
    let aligned = warp(&heard, path.as_deref().unwrap_or_default(), sent.len());

    // A wrong path is no delay: only steps that carry speech and resemble it vouch for theirs.
    let correlation = correlation(&sent, &aligned, &active);
    let vouched = path
        .as_deref()
        .map(|path| vouched(&sent, &aligned, path))
        .unwrap_or_default();
    let ms = |delay: isize| delay as f64 * 1_000.0 / f64::from(RATE_HZ);
    Match {
        delay_ms: vouched.get(vouched.len() / 2).copied().map(ms),
        delay_range_ms: vouched
            .first()
            .zip(vouched.last())
            .map(|(first, last)| (ms(*first), ms(*last))),
        correlation,
        sent_dbfs: active_level_dbfs(&sent, &active),
        heard_dbfs: active_level_dbfs(&aligned, &active),
        gaps: gaps(&sent, &aligned),
        distortion_db: distortion_db(&sent, &aligned, &active),
    }
}

/// The delays, sorted, of the steps in which the two are alike.
fn vouched(sent: &[f32], aligned: &[f32], path: &[isize]) -> Vec<isize> {
    let steps = sent.chunks(STEP).zip(aligned.chunks(STEP)).zip(path);
    let mut delays: Vec<isize> = steps
        .filter(|((sent, heard), _)| normalised(sent, heard) >= 0.6)
        .map(|(_, delay)| *delay)
        .collect();
    delays.sort_unstable();
    delays
}

/// From the first to the last active frame, pauses between them included: noise in a pause counts.
fn correlation(sent: &[f32], heard: &[f32], active: &[bool]) -> f32 {
    let frame = super::level::FRAME;
    let (Some(first), Some(last)) = (
        active.iter().position(|a| *a),
        active.iter().rposition(|a| *a),
    ) else {
        return 0.0;
    };
    let range = first * frame..((last + 1) * frame).min(sent.len());
    match (sent.get(range.clone()), heard.get(range)) {
        (Some(sent), Some(heard)) => normalised(sent, heard),
        _ => 0.0,
    }
}

fn normalised(a: &[f32], b: &[f32]) -> f32 {
    let sums = a
        .iter()
        .zip(b)
        .fold((0f64, 0f64, 0f64), |(ab, aa, bb), (a, b)| {
            let (a, b) = (f64::from(*a), f64::from(*b));
            (ab + a * b, aa + a * a, bb + b * b)
        });
    let scale = (sums.1 * sums.2).sqrt();
    if scale > 1e-9 {
        (sums.0 / scale) as f32
    } else {
        0.0
    }
}
