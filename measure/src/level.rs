// SPDX-License-Identifier: MPL-2.0
//! Levels, the speech-active part, gaps and spectral distance of two aligned signals.

use super::band::RATE_HZ;
use realfft::RealFftPlanner;
use std::time::Duration;

/// What silence is called: the level of no signal at all.
pub const FLOOR_DBFS: f32 = -100.0;

/// A gap: below this over [`GAP_WINDOW`] …
const GAP_HEARD_DBFS: f32 = -50.0;
/// … where the source is above this.
const GAP_SENT_DBFS: f32 = -35.0;
const GAP_WINDOW: usize = samples(60);
const GAP_HOP: usize = samples(5);

/// The step in which speech is called active or not.
pub(crate) const FRAME: usize = samples(20);
/// A frame this far below the loudest one is a pause.
const ACTIVE_RANGE_DB: f32 = 35.0;
const ACTIVE_FLOOR_DBFS: f32 = -60.0;

const fn samples(ms: usize) -> usize {
    RATE_HZ as usize * ms / 1_000
}

/// Sound that was sent and is missing from what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// Where in what was sent.
    pub at: Duration,
    pub length: Duration,
}

pub(crate) fn power(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
}

pub(crate) fn dbfs(power: f32) -> f32 {
    if power > 0.0 {
        (10.0 * power.log10()).max(FLOOR_DBFS)
    } else {
        FLOOR_DBFS
    }
}

/// For each [`FRAME`], whether somebody speaks in it.
pub(crate) fn activity(signal: &[f32]) -> Vec<bool> {
    let levels: Vec<f32> = signal
        .chunks(FRAME)
        .map(|frame| dbfs(power(frame)))
        .collect();
    let loudest = levels.iter().copied().fold(FLOOR_DBFS, f32::max);
    let threshold = (loudest - ACTIVE_RANGE_DB).max(ACTIVE_FLOOR_DBFS);
    levels.into_iter().map(|level| level > threshold).collect()
}

/// The mean level over the active frames.
pub(crate) fn active_level_dbfs(signal: &[f32], active: &[bool]) -> f32 {
    let (sum, count) = signal
        .chunks(FRAME)
        .zip(active)
        .filter(|(_, active)| **active)
        .fold((0.0, 0usize), |(sum, count), (frame, _)| {
            (sum + power(frame), count + 1)
        });
    if count == 0 {
        FLOOR_DBFS
    } else {
        dbfs(sum / count as f32)
    }
}

/// Every stretch in which `heard` is silent while `sent` is not. The two are aligned.
pub(crate) fn gaps(sent: &[f32], heard: &[f32]) -> Vec<Gap> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let windows = sent.windows(GAP_WINDOW).zip(heard.windows(GAP_WINDOW));
    for (index, (sent, heard)) in windows.enumerate().step_by(GAP_HOP) {
        if dbfs(power(sent)) <= GAP_SENT_DBFS || dbfs(power(heard)) >= GAP_HEARD_DBFS {
            continue;
        }
        match found.last_mut() {
            Some((_, end)) if *end >= index => *end = index + GAP_WINDOW,
            _ => found.push((index, index + GAP_WINDOW)),
        }
    }
    let time = |samples: usize| Duration::from_secs_f64(samples as f64 / f64::from(RATE_HZ));
    found
        .into_iter()
        .map(|(start, end)| Gap {
            at: time(start),
            length: time(end - start),
        })
        .collect()
}

/// Upper edges in Hz of the critical bands (Zwicker's Bark scale) within the telephone's band.
const BARK_HZ: [f32; 14] = [
    400.0, 510.0, 630.0, 770.0, 920.0, 1_080.0, 1_270.0, 1_480.0, 1_720.0, 2_000.0, 2_320.0,
    2_700.0, 3_150.0, 3_400.0,
];
const SPECTRUM: usize = 512;

/// How far the two sound from each other: the mean difference in dB between their critical
/// bands over the active frames, once the levels are made equal. G.711 and Opus stay below 0.5, other
/// speech is above 7. `None` where nothing is active.
pub(crate) fn distortion_db(sent: &[f32], heard: &[f32], active: &[bool]) -> Option<f32> {
    let gain =
        10f32.powf((active_level_dbfs(sent, active) - active_level_dbfs(heard, active)) / 20.0);
    // Bands 30 dB below the speech are masked by it.
    let mask = 10f32.powf((active_level_dbfs(sent, active) - 30.0) / 10.0);
    let window: Vec<f32> = (0..SPECTRUM)
        .map(|n| 0.5 - 0.5 * (n as f32 * std::f32::consts::TAU / SPECTRUM as f32).cos())
        .collect();
    let plan = RealFftPlanner::<f32>::new().plan_fft_forward(SPECTRUM);
    let bands = |frame: &[f32], gain: f32| -> Option<[f32; BARK_HZ.len()]> {
        let mut time: Vec<f32> = frame
            .iter()
            .zip(&window)
            .map(|(s, w)| s * w * gain)
            .collect();
        let mut spectrum = plan.make_output_vec();
        plan.process(&mut time, &mut spectrum).ok()?;
        let mut bands = [0.0; BARK_HZ.len()];
        for (bin, value) in spectrum.iter().enumerate() {
            let hz = bin as f32 * RATE_HZ as f32 / SPECTRUM as f32;
            if hz >= 300.0
                && let Some(band) = BARK_HZ.iter().position(|upper| hz < *upper)
            {
                bands[band] += value.norm_sqr() * 4.0 / (SPECTRUM * SPECTRUM) as f32;
            }
        }
        Some(bands)
    };
    let (mut sum, mut count) = (0.0, 0usize);
    for (frame, active) in active.iter().enumerate() {
        let range = frame * FRAME..frame * FRAME + SPECTRUM;
        let (true, Some(sent), Some(heard)) = (*active, sent.get(range.clone()), heard.get(range))
        else {
            continue;
        };
        let (Some(sent), Some(heard)) = (bands(sent, 1.0), bands(heard, gain)) else {
            continue;
        };
        for (sent, heard) in sent.iter().zip(&heard) {
            sum += (10.0 * ((sent + mask) / (heard + mask)).log10()).abs();
            count += 1;
        }
    }
    (count > 0).then(|| sum / count as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_of_sixty_ms_is_a_gap_and_a_shorter_one_is_not() {
        let sent: Vec<f32> = (0..16_000)
            .map(|n| if n % 16 < 8 { 0.3 } else { -0.3 })
            .collect();
        for (length, expected) in [(samples(50), 0), (samples(65), 1)] {
            let mut heard = sent.clone();
            heard[8_000..8_000 + length].fill(0.0);
            assert_eq!(
                gaps(&sent, &heard).len(),
                expected,
                "a hole of {length} samples"
            );
        }
        let mut quiet = sent.clone();
        quiet.iter_mut().for_each(|s| *s *= 0.01);
        assert!(
            gaps(&quiet, &vec![0.0; 16_000]).is_empty(),
            "a silent source has no gaps"
        );
    }

    #[test]
    fn levels_are_those_of_the_active_frames() {
        let mut signal = vec![0.0; 16_000];
        signal[..8_000].fill(0.1);
        let active = activity(&signal);
        assert_eq!(active.iter().filter(|a| **a).count(), 25);
        assert!((active_level_dbfs(&signal, &active) + 20.0).abs() < 0.1);
        assert_eq!(active_level_dbfs(&[], &[]), FLOOR_DBFS);
    }
}
