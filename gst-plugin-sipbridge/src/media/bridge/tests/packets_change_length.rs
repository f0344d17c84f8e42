// SPDX-License-Identifier: MPL-2.0
//! A side for which a packet time is set gets packets of that length, whatever came.

use super::*;
use crate::codec::Decoder;

fn towards(codec: Codec, ptime_ms: u8) -> Story {
    let config = MediaConfig {
        repacketize: true,
        ..MediaConfig::default()
    };
    let mut story = Story::with(codec, codec, config);
    let mut agreed = agreement(BOB, codec);
    agreed.ptime_ms = ptime_ms;
    story.to.apply(story.now, &agreed);
    story
}

fn say_all(story: &mut Story, codec: Codec, said: &[Vec<u8>]) {
    for payload in said {
        let packet = story.say(payload, samples(codec));
        story.arrive(&packet);
        story.pass(PTIME);
    }
}

fn sent(story: &Story) -> Vec<u8> {
    let payloads = story.sent.iter().map(|sent| sent.payload.clone());
    payloads.collect::<Vec<_>>().concat()
}

#[test]
fn nothing_is_decoded_where_payloads_can_be_cut() {
    for (codec, ptime_ms) in [
        (Codec::Pcmu, 30),
        (Codec::Pcma, 10),
        (Codec::G722, 60),
        (Codec::L16, 10),
        (Codec::Pcmu, 20),
    ] {
        let mut story = towards(codec, ptime_ms);
        let said = spoken(codec, 30);
        say_all(&mut story, codec, &said);
        assert_eq!(sent(&story), said.concat(), "{codec}");
        let length = codec.clock_rate() / 1000 * u32::from(ptime_ms);
        assert_eq!(story.sent.len(), 600 / usize::from(ptime_ms), "{codec}");
        for two in story.sent.windows(2) {
            let step = two[1].timestamp.wrapping_sub(two[0].timestamp);
            assert_eq!(step, length, "{codec}");
            assert_eq!(two[1].sequence, two[0].sequence.wrapping_add(1));
        }
    }
}

#[test]
fn opus_is_encoded_anew() {
    let mut story = towards(Codec::Opus, 60);
    let said = spoken(Codec::Opus, 30);
    say_all(&mut story, Codec::Opus, &said);
    assert_eq!(story.sent.len(), 10);
    let mut decoder = Decoder::new(Codec::Opus, 48_000).unwrap();
    let mut pcm = Vec::new();
    for sent in &story.sent {
        decoder.decode(&sent.payload, &mut pcm);
    }
    assert_eq!(pcm.len(), 48 * 600);
    // Those that have the length already pass as they are.
    let mut story = towards(Codec::Opus, 20);
    say_all(&mut story, Codec::Opus, &said);
    assert_eq!(sent(&story), said.concat());
}

#[test]
fn what_waits_before_a_hole_leaves_and_the_hole_stays() {
    let mut story = towards(Codec::Pcmu, 30);
    let said = spoken(Codec::Pcmu, 12);
    for (number, payload) in said.iter().enumerate() {
        let packet = story.say(payload, 160);
        if number != 5 {
            story.arrive(&packet);
        }
        story.pass(PTIME);
        story.run();
    }
    let mut expected = said.clone();
    expected.remove(5);
    let heard = sent(&story);
    assert_eq!(heard, expected.concat()[..heard.len()]);
    let begin = story.sent[0].timestamp;
    // Where each byte is by its time: the hole is 20 ms long.
    let mut missing = 0;
    let mut next = begin;
    for sent in &story.sent {
        missing += sent.timestamp.wrapping_sub(next);
        next = sent.timestamp.wrapping_add(sent.payload.len() as u32);
    }
    assert_eq!(missing, 160);
}

#[test]
fn without_a_packet_time_packets_keep_theirs() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    let mut slower = agreement(BOB, Codec::Pcmu);
    slower.ptime_ms = 30;
    story.to.apply(story.now, &slower);
    say_all(&mut story, Codec::Pcmu, &spoken(Codec::Pcmu, 6));
    assert!(story.sent.iter().all(|sent| sent.payload.len() == 160));
}
