// SPDX-License-Identifier: MPL-2.0
//! The media timeout: told of a far end that is gone, not of one on hold or one that pauses.

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn story() -> Story {
    let mut story = Story::new(Line::clean());
    story.bob = Leg::new(
        story.now,
        LegConfig {
            media_timeout: LIMIT,
            ..config(2, 60 * MS)
        },
    );
    // Bob never says anything: that is not what ends this call.
    story.alice = Leg::new(
        story.now,
        LegConfig {
            silent_peer: Duration::from_secs(3_600),
            ..config(1, 60 * MS)
        },
    );
    let now = story.now;
    story.bob.apply(now, &agreement(ALICE, Codec::Pcmu));
    story.alice.apply(now, &agreement(BOB, Codec::Pcmu));
    story
}

fn told(story: &Story) -> Vec<Duration> {
    story
        .events
        .iter()
        .filter_map(|event| match event {
            LegEvent::TimedOut(silent) => Some(*silent),
            _ => None,
        })
        .collect()
}

#[test]
fn a_far_end_that_is_gone_is_told_of() {
    let mut story = story();
    story.run(Duration::from_secs(60));
    assert_eq!(told(&story), []);
    story.line.loss_percent = 100;
    story.run(Duration::from_secs(19));
    assert_eq!(told(&story), []);
    story.run(Duration::from_secs(2));
    let [silent] = told(&story)[..] else {
        panic!("{:?}", story.events);
    };
    assert!(silent.abs_diff(LIMIT) < 50 * MS, "{silent:?}");
}

#[test]
fn one_that_never_sent_is_told_of_again_and_again() {
    let mut story = story();
    story.line.loss_percent = 100;
    story.run(Duration::from_secs(65));
    let seconds: Vec<u64> = told(&story).iter().map(Duration::as_secs).collect();
    assert_eq!(seconds.len(), 3);
}

#[test]
fn on_hold_nothing_is_expected() {
    let mut story = story();
    story.run(Duration::from_secs(5));
    // We hold the far end, it holds us without music, both do.
    for direction in [
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ] {
        let now = story.now;
        story.negotiated.direction = direction;
        let held = story.negotiated.clone();
        story.bob.apply(now, &held);
        story.talking = false;
        story.run(Duration::from_secs(120));
        assert_eq!(told(&story), []);
    }
    // Taken back: from then on it has the whole time.
    let now = story.now;
    story.negotiated.direction = Direction::SendRecv;
    let back = story.negotiated.clone();
    story.bob.apply(now, &back);
    story.run(Duration::from_secs(19));
    assert_eq!(told(&story), []);
    story.run(Duration::from_secs(2));
    assert_eq!(told(&story).len(), 1);
}

#[test]
fn reports_are_a_sign_of_life() {
    let mut story = story();
    story.run(Duration::from_secs(5));
    story.talking = false;
    for _ in 0..20 {
        story.run(Duration::from_secs(5));
        let now = story.now;
        let from = address(ALICE);
        let from = SocketAddr::new(from.ip(), from.port() + 1);
        if let Some(report) = story.alice.timeout(now) {
            story.bob.receive_rtcp(now, from, report.bytes);
        }
    }
    assert_eq!(told(&story), []);
    story.run(Duration::from_secs(21));
    assert_eq!(told(&story).len(), 1);
}

#[test]
fn comfort_noise_says_that_silence_is_meant() {
    let mut story = story();
    let now = story.now;
    let quiet = Negotiated {
        comfort_noise_send: Some(13),
        ..agreement(BOB, Codec::Pcmu)
    };
    story.alice.apply(now, &quiet);
    story.run(Duration::from_secs(5));
    story.talking = false;
    let noise = story.alice.send_noise(&[60], 160).unwrap().bytes.to_vec();
    story.carry(noise);
    story.run(LIMIT * 4);
    assert_eq!(told(&story), []);
    story.run(LIMIT + Duration::from_secs(1));
    assert_eq!(told(&story).len(), 1);
}

/// Opus that sends nothing in silence (DTX) says so by the size of its last packet; a longer one says nothing.
#[test]
fn opus_that_pauses_says_so_too() {
    for (last, limit) in [(&[0x08; 1][..], LIMIT * 5), (&[0x08; 40], LIMIT)] {
        let mut story = story();
        let now = story.now;
        story.alice.apply(now, &agreement(BOB, Codec::Opus));
        story.talking = false;
        let last = story.alice.send_audio(last, 960).unwrap().bytes.to_vec();
        story.carry(last);
        story.run(limit - Duration::from_secs(1));
        assert_eq!(told(&story), []);
        story.run(Duration::from_secs(2));
        let [silent] = told(&story)[..] else {
            panic!("{:?}", story.events);
        };
        assert!(silent.abs_diff(limit) < 50 * MS, "{silent:?}");
    }
}
