// SPDX-License-Identifier: MPL-2.0
//! The far end changes from G.711 to Opus within what was agreed: another clock, no re-offer.

use super::*;
use crate::codec::{OpusEncoder, OpusSettings};

#[test]
fn opus_follows_pcmu() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(1));
    story.chapter();
    story.talking = false;
    let now = story.now;
    story.alice.apply(now, &agreement(BOB, Codec::Opus));
    let mut encoder = OpusEncoder::new(8_000, OpusSettings::default()).unwrap();
    for _ in 0..50 {
        let mut packet = Vec::new();
        encoder.encode(&[1_000; 160], &mut packet);
        let bytes = story.alice.send_audio(&packet, 960).unwrap().bytes.to_vec();
        story.carry(bytes);
        story.next_packet = story.now + Duration::from_secs(1);
        story.run(20 * MS);
    }
    assert!(story.events.contains(&LegEvent::CodecChanged(Codec::Opus)));
    let packets = story.count(|played| matches!(played, Played::Packet { .. }));
    assert!(packets >= 47, "{packets}");
    assert_eq!(story.bob.stats().receive_codec, Some(Codec::Opus));
}
