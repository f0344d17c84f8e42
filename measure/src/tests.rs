// SPDX-License-Identifier: MPL-2.0
//! What the comparison must accept, and what it must never accept.

use super::testing::{phone, room, through_g711, through_opus};
use super::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::{Duration, Instant};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn after(silence_ms: u64, wave: &Wave) -> Wave {
    let mut all = Wave::silence(wave.rate_hz, ms(silence_ms));
    all.push(wave);
    all.push(&Wave::silence(wave.rate_hz, ms(300)));
    all
}

#[track_caller]
fn assert_good(matched: &Match, delay_ms: f64) {
    assert!(
        matched.is_good(),
        "{:?} in {matched:?}",
        matched.faults(&Thresholds::default())
    );
    let delay = matched.delay_ms.unwrap();
    assert!(
        (delay - delay_ms).abs() < 1.0,
        "a delay of {delay} ms instead of {delay_ms}"
    );
}

#[track_caller]
fn assert_bad(matched: &Match, why: &str) {
    let faults = matched.faults(&Thresholds::default());
    assert!(
        faults.iter().any(|fault| fault.to_string().contains(why)),
        "{why:?} is missing from {faults:?} in {matched:?}"
    );
}

#[test]
fn a_copy_is_perfect() {
    let matched = compare(&phone(), &after(120, &phone()));
    assert_good(&matched, 120.0);
    assert!(
        matched.correlation > 0.99 && matched.distortion_db.unwrap() < 0.1,
        "{matched:?}"
    );
}

#[test]
fn g711_passes_with_its_delay() {
    let matched = compare(&phone(), &through_g711(&after(87, &phone())));
    assert_good(&matched, 87.0);
    assert!(matched.distortion_db.unwrap() < 0.5, "{matched:?}");
}

#[test]
fn opus_passes_at_the_rates_in_use() {
    for rate_hz in [8_000, 16_000, 48_000] {
        let matched = compare(
            &room(),
            &through_opus(&after(50, &through_g711(&room())), rate_hz),
        );
        assert!(matched.is_good(), "{rate_hz} Hz: {matched:?}");
    }
}

#[test]
fn a_drifting_clock_passes() {
    // 200 ppm, far more than sound cards differ by.
    let mut heard = phone();
    heard.samples = (0..heard.samples.len() * 4_999 / 5_000)
        .map(|n| heard.samples[n + n / 5_000])
        .collect();
    let matched = compare(&phone(), &heard);
    assert!(matched.is_good(), "{matched:?}");
    let (from, to) = matched.delay_range_ms.unwrap();
    assert!(to - from > 1.0, "the drift shows: {matched:?}");
}

#[test]
fn one_step_of_a_jitter_buffer_passes() {
    let wave = phone();
    let mut heard = wave.slice(ms(0), ms(4_000));
    heard.push(&wave.slice(ms(3_980), wave.duration()));
    let matched = compare(&wave, &heard);
    assert!(matched.is_good(), "{matched:?}");
    let (from, to) = matched.delay_range_ms.unwrap();
    assert!(
        (to - from - 20.0).abs() < 2.0,
        "the step shows: {matched:?}"
    );
}

#[test]
fn a_little_noise_passes_and_much_does_not() {
    let noisy = |amplitude: i32| {
        let mut random = StdRng::seed_from_u64(1);
        let mut heard = after(30, &phone());
        heard.samples.iter_mut().for_each(|s| {
            *s = (i32::from(*s) + random.random_range(-amplitude..=amplitude))
                .clamp(-32_768, 32_767) as i16;
        });
        heard
    };
    assert_good(&compare(&phone(), &noisy(200)), 30.0);
    assert_bad(&compare(&phone(), &noisy(12_000)), "is not what was said");
}

#[test]
fn silence_is_not_speech() {
    for heard in [Wave::silence(8_000, ms(9_000)), Wave::silence(8_000, ms(0))] {
        let matched = compare(&phone(), &heard);
        assert_bad(&matched, "nothing was heard");
        assert_eq!(matched.delay_ms, None);
    }
    assert_bad(
        &compare(&Wave::silence(8_000, ms(9_000)), &phone()),
        "nothing was said",
    );
}

#[test]
fn noise_alone_is_not_speech() {
    let mut random = StdRng::seed_from_u64(2);
    let mut heard = Wave::silence(8_000, ms(9_000));
    heard
        .samples
        .iter_mut()
        .for_each(|s| *s = random.random_range(-6_000..6_000));
    let matched = compare(&phone(), &heard);
    assert_bad(&matched, "is not what was said");
    assert!(matched.correlation < 0.4, "{matched:?}");
}

#[test]
fn other_speech_and_the_opposite_direction_are_not_taken_for_it() {
    for (sent, heard) in [(phone(), room()), (room(), phone())] {
        let matched = compare(&sent, &through_g711(&after(200, &heard)));
        assert_bad(&matched, "is not what was said");
        assert!(matched.correlation < 0.6, "{matched:?}");
    }
    // The same voice, saying the second half first.
    let wave = phone();
    let mut turned = wave.slice(ms(4_500), wave.duration());
    turned.push(&wave.slice(ms(0), ms(4_500)));
    assert_bad(&compare(&wave, &turned), "is not what was said");
}

#[test]
fn a_muted_half_is_missing() {
    let mut heard = after(40, &phone());
    let half = heard.samples.len() / 2;
    heard.samples[half..].fill(0);
    assert_bad(&compare(&phone(), &heard), "are missing at");
}

#[test]
fn a_hole_of_100_ms_is_found_where_it_is() {
    let wave = phone();
    let mut heard = after(40, &wave);
    let hole = 1_000;
    let at = (hole as usize + 40) * 16;
    heard.samples[at..at + 1_600].fill(0);
    let matched = compare(&wave, &heard);
    assert!(matched.correlation > 0.9, "only a hole: {matched:?}");
    assert_eq!(matched.gaps.len(), 1, "{matched:?}");
    let gap = matched.gaps[0];
    assert!(
        gap.at.abs_diff(ms(hole)) < ms(15) && gap.length.abs_diff(ms(100)) < ms(15),
        "{gap:?}"
    );
}

#[test]
fn six_decibels_more_or_less_are_told() {
    for db in [6.0, -6.0] {
        let matched = compare(&phone().amplified(-8.0), &phone().amplified(-8.0 + db));
        assert!(
            (matched.level_difference_db() - db).abs() < 0.2,
            "{matched:?}"
        );
        assert_bad(&matched, "the level changed by");
    }
}

#[test]
fn two_voices_at_once_are_told_from_one() {
    let (phone, room) = (phone(), room());
    let mut both = phone.clone();
    both.samples
        .iter_mut()
        .zip(&room.samples)
        .for_each(|(s, other)| *s = s.saturating_add(*other));
    assert_bad(&compare(&phone, &both), "is not what was said");
}

#[test]
fn mouth_to_ear_counts_from_the_instants_of_both_ends() {
    let matched = compare(&phone(), &after(500, &phone()));
    let sent_from = Instant::now();
    let delay = |heard_from| matched.mouth_to_ear(sent_from, heard_from).unwrap();
    assert!(delay(sent_from).abs_diff(ms(500)) < ms(1));
    assert!(delay(sent_from + ms(100)).abs_diff(ms(600)) < ms(1));
    assert!(delay(sent_from - ms(400)).abs_diff(ms(100)) < ms(1));
}

#[test]
fn a_wave_survives_its_file() {
    let path = std::env::temp_dir().join(format!("sipbridge-wave-{}.wav", std::process::id()));
    phone().write(&path).unwrap();
    let read = Wave::read(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), phone());
    let missing = Wave::read("/nowhere/x.wav").unwrap_err().to_string();
    assert!(
        missing.starts_with("cannot read /nowhere/x.wav"),
        "{missing}"
    );
}
