// SPDX-License-Identifier: MPL-2.0
//! On a clean line everything is played, in order, 20 to 40 ms after it could have been.

use super::*;

#[test]
fn everything_is_played_soon() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(60));
    let numbers = story.numbers();
    assert_eq!(numbers, (0..numbers.len() as u32).collect::<Vec<_>>());
    assert!(numbers.len() > 2_990);
    assert_eq!(story.lost(), 0);
    let stats = story.bob.stats();
    assert!(
        (15.0..=40.0).contains(&stats.depth_ms),
        "{}",
        stats.depth_ms
    );
    assert_eq!((stats.lost, stats.late, stats.malformed), (0, 0, 0));
    assert_eq!(stats.target_ms, 20.0);
    // Only before the first packet was there nothing to play.
    assert!(story.silent() <= 3, "{}", story.silent());
}

#[test]
fn the_first_packet_begins_a_talkspurt_and_is_told() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(1));
    let talkspurts = story.count(|played| {
        matches!(
            played,
            Played::Packet {
                talkspurt: true,
                ..
            }
        )
    });
    assert_eq!(talkspurts, 1);
    let expected = [
        LegEvent::Latched(address(ALICE)),
        LegEvent::Started,
        LegEvent::CodecChanged(Codec::Pcmu),
    ];
    assert_eq!(story.events, expected);
}

#[test]
fn nothing_is_stretched_whenever_packets_come_and_however_the_thread_sleeps() {
    for phase_ms in 0..20 {
        let mut story = Story::new(Line::clean());
        story.elastic = true;
        story.sleeps_ms = 5;
        story.line.random = u64::from(phase_ms);
        story.next_packet += MS * phase_ms;
        story.run(Duration::from_secs(60));
        let stats = story.bob.stats();
        let stretched = (story.changes, stats.stretched_ms, stats.concealed_ms);
        assert_eq!(stretched, (0, 0, 0), "{phase_ms} ms after a tick");
        story.quiet = true;
        story.run(Duration::from_secs(20));
        assert_eq!(story.changes, 0);
    }
}
