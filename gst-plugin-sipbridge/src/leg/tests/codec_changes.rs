// SPDX-License-Identifier: MPL-2.0
//! The far end changes from G.711 to Opus: another clock. Within what was agreed, or by a re-offer, after which it
//! still sends for a while what it sent before.

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
        say_by_opus(&mut story, &mut encoder);
        story.next_packet = story.now + Duration::from_secs(1);
        story.run(20 * MS);
    }
    assert!(story.events.contains(&LegEvent::CodecChanged(Codec::Opus)));
    let packets = story.count(|played| matches!(played, Played::Packet { .. }));
    assert!(packets >= 47, "{packets}");
    assert_eq!(story.bob.stats().receive_codec, Some(Codec::Opus));
}

/// What Bob agrees to: this codec, and no other.
fn nothing_but(codec: Codec, number: u8) -> Negotiated {
    Negotiated {
        receive: vec![(number, codec)],
        ..agreement(ALICE, codec)
    }
}

fn say_by_opus(story: &mut Story, encoder: &mut OpusEncoder) {
    let mut packet = Vec::new();
    encoder.encode(&[1_000; 160], &mut packet);
    let bytes = story.alice.send_audio(&packet, 960).unwrap().bytes.to_vec();
    story.carry(bytes);
}

#[test]
fn what_was_agreed_on_before_is_understood_until_the_new_comes() {
    let mut story = Story::new(Line::clean());
    story.bob.apply(story.now, &nothing_but(Codec::Pcmu, 0));
    story.run(Duration::from_secs(1));
    story.chapter();
    story.bob.apply(story.now, &nothing_but(Codec::Opus, 111));
    story.run(Duration::from_secs(1));
    let packets = story.count(|played| matches!(played, Played::Packet { .. }));
    assert!(packets >= 49, "{packets}");
    assert_eq!((story.lost(), story.silent()), (0, 0));

    // Alice is ready; what she said before is nothing that anybody agreed to any more.
    let now = story.now;
    let before = story.alice.send_audio(&[0x7f; 160], 160).unwrap();
    let before = before.bytes.to_vec();
    story.alice.apply(now, &agreement(BOB, Codec::Opus));
    let mut encoder = OpusEncoder::new(8_000, OpusSettings::default()).unwrap();
    say_by_opus(&mut story, &mut encoder);
    story.next_packet = now + Duration::from_secs(1);
    story.run(20 * MS);
    assert_eq!(story.bob.stats().receive_codec, Some(Codec::Opus));
    let malformed = story.bob.stats().malformed;
    story.carry(before);
    story.run(20 * MS);
    assert_eq!(story.bob.stats().receive_codec, Some(Codec::Opus));
    assert_eq!(story.bob.stats().malformed, malformed + 1);
}

#[test]
fn a_number_means_what_it_means_now() {
    let mut story = Story::new(Line::clean());
    story.bob.apply(story.now, &nothing_but(Codec::Pcmu, 0));
    story.run(Duration::from_secs(1));
    let mut now_noise = nothing_but(Codec::Opus, 111);
    now_noise.comfort_noise_receive = vec![0];
    story.bob.apply(story.now, &now_noise);
    story.run(100 * MS);
    story.chapter();
    story.run(Duration::from_secs(1));
    let packets = story.count(|played| matches!(played, Played::Packet { .. }));
    assert_eq!(packets, 0);
}

/// What a bridge passes on would be decoded as what is agreed on now.
#[test]
fn a_bridge_passes_on_nothing_that_was_agreed_on_before() {
    let now = Instant::now();
    let mut alice = leg(now, 1, 60 * MS);
    let mut bob = leg(now, 2, 60 * MS).bridged();
    alice.apply(now, &agreement(BOB, Codec::Pcmu));
    bob.apply(now, &nothing_but(Codec::Pcmu, 0));
    let mut says = || alice.send_audio(&[0x7f; 160], 160).unwrap().bytes.to_vec();
    bob.receive_rtp(now, address(ALICE), &says());
    assert_eq!(bob.stats().packets_received, 1);
    bob.apply(now, &nothing_but(Codec::Opus, 111));
    bob.receive_rtp(now, address(ALICE), &says());
    let stats = bob.stats();
    assert_eq!((stats.packets_received, stats.malformed), (1, 1));
}
