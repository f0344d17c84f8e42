// SPDX-License-Identifier: MPL-2.0
//! Directions are obeyed: who may not send does not, who may not be heard is not.

use super::*;

#[test]
fn nothing_is_sent_or_played_on_hold_and_all_is_back_after() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(1));

    story.negotiated.direction = Direction::Inactive;
    let (now, held) = (story.now, story.negotiated.clone());
    story.bob.apply(now, &held);
    story.chapter();
    story.run(Duration::from_secs(2));
    assert!(story.numbers().is_empty());
    assert!(story.bob.send_audio(&[0; 160], 160).is_none());
    assert!(story.bob.send_digit(160).is_none());

    story.negotiated.direction = Direction::SendRecv;
    let (now, back) = (story.now, story.negotiated.clone());
    story.bob.apply(now, &back);
    story.chapter();
    story.run(Duration::from_secs(1));
    assert!(story.numbers().len() > 45);
    assert_eq!(story.lost(), 0);
    assert!(story.bob.send_audio(&[0; 160], 160).is_some());
}

#[test]
fn timestamps_count_the_time_on_hold() {
    let now = Instant::now();
    let mut leg = leg(now, 1, 60 * MS);
    let mut agreed = agreement(BOB, Codec::Pcmu);
    leg.apply(now, &agreed);
    let stamp = |bytes: &[u8]| {
        let packet = RtpPacket::parse(bytes).unwrap();
        (
            packet.sequence_number(),
            packet.timestamp(),
            packet.marker_bit(),
        )
    };
    let before = stamp(leg.send_audio(&[0; 160], 160).unwrap().bytes);
    agreed.direction = Direction::RecvOnly;
    leg.apply(now + 20 * MS, &agreed);
    agreed.direction = Direction::SendRecv;
    leg.apply(now + 3_000 * MS, &agreed);
    let after = stamp(leg.send_audio(&[0; 160], 160).unwrap().bytes);
    assert_eq!(after.0, before.0.wrapping_add(1));
    assert_eq!(after.1, before.1.wrapping_add(24_000));
    assert!(after.2);
}
