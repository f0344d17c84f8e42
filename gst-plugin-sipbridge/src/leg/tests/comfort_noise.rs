// SPDX-License-Identifier: MPL-2.0
//! A far end that sends comfort noise (RFC 3389) in its pauses: its silence sounds as it says, nothing
//! is missed, and speech after it is whole.

use sip_ua::sdp::{MasterKey, SrtpKeys, Suite};

use super::*;
use crate::codec::noise::Noise;

fn says_noise(story: &mut Story) {
    let now = story.now;
    let agreed = Negotiated {
        comfort_noise_send: Some(13),
        ..agreement(BOB, Codec::Pcmu)
    };
    story.alice.apply(now, &agreed);
}

/// One packet of noise in the place of one of audio.
fn sigh(story: &mut Story, level_db: u8) {
    let mut payload = Vec::new();
    Noise::white(level_db).write(&mut payload);
    let bytes = story
        .alice
        .send_noise(&payload, 160)
        .unwrap()
        .bytes
        .to_vec();
    story.carry(bytes);
    story.next_packet += 20 * MS;
}

fn noises(story: &Story) -> Vec<u8> {
    let level = |(_, played): &(Duration, Played)| match played {
        Played::Noise { level_db } => Some(*level_db),
        _ => None,
    };
    story.heard.iter().filter_map(level).collect()
}

#[test]
fn pauses_sound_as_the_far_end_says() {
    let mut story = Story::new(Line::jittery(5));
    says_noise(&mut story);
    for level_db in [50, 60, 70] {
        story.talking = true;
        story.run(Duration::from_secs(1));
        story.chapter();
        story.talking = false;
        sigh(&mut story, level_db);
        story.run(Duration::from_secs(1));
        let levels = noises(&story);
        assert!(levels.len() >= 44, "{}", levels.len());
        assert!(levels.iter().all(|level| *level == level_db));
        assert!(story.lost() <= 2 && story.silent() == 0);
    }
    assert_eq!(story.bob.stats().lost, 0);
}

#[test]
fn it_may_change_within_a_pause_and_ends_with_it() {
    let mut story = Story::new(Line::clean());
    says_noise(&mut story);
    story.run(Duration::from_secs(1));
    story.talking = false;
    sigh(&mut story, 60);
    story.run(Duration::from_secs(1));
    sigh(&mut story, 45);
    story.run(Duration::from_secs(1));
    let levels = noises(&story);
    assert_eq!((levels.first(), levels.last()), (Some(&60), Some(&45)));
    story.talking = true;
    story.run(Duration::from_millis(100));
    story.chapter();
    story.run(Duration::from_secs(1));
    assert_eq!(noises(&story), [0u8; 0]);
    assert_eq!(story.lost() + story.silent(), 0);
    assert!(rising(&story.numbers()));
    assert_eq!(story.numbers().len(), 50);
}

#[test]
fn the_packet_is_as_the_rfc_has_it() {
    let now = Instant::now();
    let mut alice = leg(now, 1, 60 * MS);
    let mut agreed = agreement(BOB, Codec::Pcmu);
    alice.apply(now, &agreed);
    assert!(
        alice.send_noise(&[60], 160).is_none(),
        "nobody asked for it"
    );
    agreed.comfort_noise_send = Some(13);
    alice.apply(now, &agreed);
    let stamp = |bytes: &[u8]| {
        let packet = RtpPacket::parse(bytes).unwrap();
        (
            packet.payload_type(),
            packet.sequence_number(),
            packet.timestamp(),
            packet.marker_bit(),
        )
    };
    let (_, sequence, timestamp, _) = stamp(alice.send_audio(&[0; 160], 160).unwrap().bytes);
    let noise = stamp(alice.send_noise(&[60], 160).unwrap().bytes);
    let (sequence, timestamp) = (sequence.wrapping_add(1), timestamp.wrapping_add(160));
    assert_eq!(noise, (13, sequence, timestamp, false));
    for _ in 0..10 {
        alice.pass(160);
    }
    // Speech after it begins a talkspurt, and its time counts the pause.
    let speech = stamp(alice.send_audio(&[0; 160], 160).unwrap().bytes);
    let (sequence, timestamp) = (sequence.wrapping_add(1), timestamp.wrapping_add(11 * 160));
    assert_eq!(speech, (0, sequence, timestamp, true));
}

#[test]
fn where_audio_is_protected_so_is_noise() {
    let now = Instant::now();
    let (mut alice, mut bob) = (leg(now, 1, 60 * MS), leg(now, 2, 60 * MS));
    let key = MasterKey::random(Suite::AesCm128HmacSha1Tag80);
    for (leg, with) in [(&mut alice, BOB), (&mut bob, ALICE)] {
        let agreed = Negotiated {
            comfort_noise_send: Some(13),
            srtp: Some(SrtpKeys {
                send: key.clone(),
                receive: key.clone(),
            }),
            ..agreement(with, Codec::Pcmu)
        };
        leg.apply(now, &agreed);
    }
    let payload = [60, 127, 127, 127];
    let bytes = alice.send_noise(&payload, 160).unwrap().bytes.to_vec();
    assert!(!bytes.windows(4).any(|window| window == payload));
    bob.receive_rtp(now, address(ALICE), &bytes);
    let stats = bob.stats();
    assert_eq!((stats.packets_received, stats.malformed), (1, 0));
}
