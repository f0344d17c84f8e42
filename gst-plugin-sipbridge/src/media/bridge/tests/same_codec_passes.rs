// SPDX-License-Identifier: MPL-2.0
//! Where both speak the same codec, payloads pass as they are, under the bridge's own numbers.

use super::*;

#[test]
fn every_payload_leaves_untouched_and_at_once() {
    for codec in Codec::ALL {
        let mut story = Story::new(codec, codec);
        let said = spoken(codec, 20);
        for payload in &said {
            let packet = story.say(payload, samples(codec));
            story.arrive(&packet);
            story.pass(PTIME);
        }
        assert_eq!(story.sent.len(), said.len(), "{codec}");
        for (number, (sent, payload)) in story.sent.iter().zip(&said).enumerate() {
            assert_eq!(&sent.payload, payload, "{codec}");
            assert_eq!(sent.payload_type, payload_type(codec));
            assert_eq!(sent.at, PTIME * number as u32);
            assert_eq!(sent.marker, number == 0);
        }
        for pair in story.sent.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert_eq!(step, samples(codec), "{codec}");
        }
    }
}

#[test]
fn what_was_lost_is_missing_by_its_number() {
    let codec = Codec::Opus;
    let mut story = Story::new(codec, codec);
    for (number, payload) in spoken(codec, 20).iter().enumerate() {
        let packet = story.say(payload, samples(codec));
        if !matches!(number, 7 | 12 | 13) {
            story.arrive(&packet);
        }
        story.pass(PTIME);
        story.run();
    }
    let first = story.sent[0].sequence;
    let numbers: Vec<u16> = story
        .sent
        .iter()
        .map(|sent| sent.sequence.wrapping_sub(first))
        .collect();
    let expected: Vec<u16> = (0..20).filter(|n| !matches!(n, 7 | 12 | 13)).collect();
    assert_eq!(numbers, expected);
    let begin = story.sent[0].timestamp;
    for (sent, number) in story.sent.iter().zip(&expected) {
        let stamp = sent.timestamp.wrapping_sub(begin);
        assert_eq!(stamp, u32::from(*number) * samples(codec));
    }
    assert_eq!(story.from.stats().lost, 3);
}
