// SPDX-License-Identifier: MPL-2.0
//! Another SSRC, sequence or timestamp from the same far end: heard at once, with no glitch for
//! what a stray packet may say.

use super::*;

/// Another stream takes over at the same address.
fn takes_over(story: &mut Story, config: impl Fn(&mut LegConfig)) {
    let mut fresh = LegConfig {
        ssrc: 1,
        sequence: 1_000,
        timestamp: 5_000_000,
        cname: "again".into(),
        ntp_epoch: 0,
        latency: 60 * MS,
        silent_peer: Duration::from_secs(30),
        media_timeout: Duration::ZERO,
    };
    config(&mut fresh);
    story.alice = Leg::new(story.now, fresh);
    let now = story.now;
    story.alice.apply(now, &agreement(BOB, Codec::Pcmu));
}

fn goes_on(config: impl Fn(&mut LegConfig)) {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(2));
    takes_over(&mut story, config);
    story.chapter();
    story.run(Duration::from_secs(2));
    let numbers = story.numbers();
    assert!(rising(&numbers));
    assert!(numbers.len() >= 94, "{}", numbers.len());
    assert!(story.lost() + story.silent() <= 7);
}

#[test]
fn what_was_lost_before_stays_counted() {
    let mut story = Story::new(Line::lossy(10));
    story.run(Duration::from_secs(10));
    let before = story.bob.stats().lost;
    assert!(before > 0);
    takes_over(&mut story, |config| config.ssrc = 77);
    story.line.loss_percent = 0;
    story.run(Duration::from_secs(2));
    assert!((before..=before + 3).contains(&story.bob.stats().lost));
}

#[test]
fn another_ssrc() {
    goes_on(|config| config.ssrc = 77);
}

#[test]
fn another_sequence_and_timestamp() {
    goes_on(|_| ());
}

#[test]
fn another_timestamp_only() {
    goes_on(|config| config.sequence = 65_500u16.wrapping_add(100));
}

#[test]
fn a_single_stray_packet_changes_nothing() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(2));
    story.chapter();
    for ssrc in [9, 10, 11] {
        let mut stray = Leg::new(
            story.now,
            LegConfig {
                ssrc,
                sequence: 5,
                timestamp: 5,
                cname: String::new(),
                ntp_epoch: 0,
                latency: MS,
                silent_peer: MS,
                media_timeout: Duration::ZERO,
            },
        );
        stray.apply(story.now, &agreement(BOB, Codec::Pcmu));
        let bytes = stray.send_audio(&[0; 160], 160).unwrap().bytes.to_vec();
        story.carry(bytes);
        story.run(Duration::from_millis(200));
    }
    assert_eq!(story.lost() + story.silent(), 0);
    assert!(rising(&story.numbers()));
}
