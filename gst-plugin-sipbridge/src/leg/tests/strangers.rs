// SPDX-License-Identifier: MPL-2.0
//! Packets of others, and what is no RTP, change nothing but a counter.

use super::*;

#[test]
fn a_stranger_is_neither_heard_nor_answered() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(1));
    story.chapter();
    let before = story.bob.stats();
    let mut stranger = leg(story.now, 666, MS);
    stranger.apply(story.now, &agreement(BOB, Codec::Pcmu));
    for _ in 0..50 {
        let bytes = stranger.send_audio(&[9; 160], 160).unwrap().bytes.to_vec();
        let now = story.now;
        story
            .bob
            .receive_rtp(now, address("203.0.113.66:6"), &bytes);
        story
            .bob
            .receive_rtcp(now, address("203.0.113.66:7"), &bytes);
        story.run(20 * MS);
    }
    let stats = story.bob.stats();
    assert_eq!(stats.foreign - before.foreign, 100);
    assert_eq!(story.lost() + story.silent(), 0);
    let to = story.bob.send_audio(&[0; 160], 160).unwrap().to;
    assert_eq!(to, address(ALICE));
}

#[test]
fn garbage_from_the_far_end_itself_does_no_harm() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(1));
    story.chapter();
    let mut random = Line::clean();
    for length in 0..400 {
        let mut bytes: Vec<u8> = (0..length).map(|_| random.roll(256) as u8).collect();
        let now = story.now;
        story.bob.receive_rtcp(now, address(ALICE), &bytes);
        story.bob.receive_rtp(now, address(ALICE), &bytes);
        // Well-formed, of a type we agreed to, with another SSRC each time.
        if length >= 12 {
            bytes[0] = 0x80;
            bytes[1] = if length % 2 == 0 { 111 } else { 101 };
            story.bob.receive_rtp(now, address(ALICE), &bytes);
        }
        story.run(5 * MS);
    }
    assert!(rising(&story.numbers()));
    assert!(story.numbers().len() > 95, "{}", story.numbers().len());
}
