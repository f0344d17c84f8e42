// SPDX-License-Identifier: MPL-2.0
//! Where codecs differ, each packet leaves in the other's codec, as soon as it came.

use super::*;
use crate::codec::Decoder;

/// How much of what was heard is the tone: 1 is all of it.
pub(super) fn purity(pcm: &[i16], rate_hz: u32) -> f64 {
    let (mut sine, mut cosine, mut energy) = (0.0, 0.0, 0.0);
    for (at, sample) in pcm.iter().enumerate() {
        let turn = at as f64 / f64::from(rate_hz) * 440.0 * std::f64::consts::TAU;
        let sample = f64::from(*sample);
        sine += sample * turn.sin();
        cosine += sample * turn.cos();
        energy += sample * sample;
    }
    let length = pcm.len() as f64;
    ((sine * sine + cosine * cosine) * 2.0 / length / energy.max(1.0)).sqrt()
}

#[test]
fn every_codec_becomes_every_other() {
    for heard in Codec::ALL {
        for said in Codec::ALL.into_iter().filter(|said| *said != heard) {
            let mut story = Story::new(heard, said);
            for payload in spoken(heard, 50) {
                let packet = story.say(&payload, samples(heard));
                story.arrive(&packet);
                story.pass(PTIME);
            }
            let pair = format!("{heard} to {said}");
            // A resampler holds back less than a packet.
            assert!(story.sent.len() >= 49, "{pair}: {}", story.sent.len());
            let rate_hz = said.audio_rate();
            let mut decoder = Decoder::new(said, rate_hz).unwrap();
            let mut pcm = Vec::new();
            for sent in &story.sent {
                assert_eq!(sent.payload_type, payload_type(said), "{pair}");
                decoder.decode(&sent.payload, &mut pcm);
            }
            let steady = &pcm[pcm.len() / 2..];
            let purity = purity(steady, rate_hz);
            assert!(purity > 0.97, "{pair}: {purity}");
            for two in story.sent.windows(2) {
                assert_eq!(two[1].at - two[0].at, PTIME, "{pair}");
                let step = two[1].timestamp.wrapping_sub(two[0].timestamp);
                assert_eq!(step, samples(said), "{pair}");
            }
        }
    }
}

#[test]
fn packet_times_may_differ() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcma);
    let mut slower = agreement(BOB, Codec::Pcma);
    slower.ptime_ms = 30;
    story.to.apply(story.now, &slower);
    for payload in spoken(Codec::Pcmu, 30) {
        let packet = story.say(&payload, 160);
        story.arrive(&packet);
        story.pass(PTIME);
    }
    assert_eq!(story.sent.len(), 20);
    assert!(story.sent.iter().all(|sent| sent.payload.len() == 240));
}

#[test]
fn a_lost_packet_is_made_up_for() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcma);
    for (number, payload) in spoken(Codec::Pcmu, 50).iter().enumerate() {
        let packet = story.say(payload, 160);
        if number % 10 != 9 {
            story.arrive(&packet);
        }
        story.pass(PTIME);
        story.run();
    }
    // The last one was lost, and nobody can know yet.
    assert_eq!(story.sent.len(), 49);
    let mut decoder = Decoder::new(Codec::Pcma, 8_000).unwrap();
    let mut pcm = Vec::new();
    for sent in &story.sent {
        decoder.decode(&sent.payload, &mut pcm);
    }
    let quiet = pcm
        .split(|sample| sample.abs() > 1_000)
        .map(<[i16]>::len)
        .max();
    assert!(quiet < Some(16), "{quiet:?} quiet samples in a row");
    assert_eq!(story.from.stats().concealed_frames, 4);
}

#[test]
fn opus_is_encoded_as_its_far_end_wants_it() {
    let mut lengths = [true, false].map(|cbr| {
        let mut story = Story::new(Codec::Pcmu, Codec::Opus);
        let mut agreed = agreement(BOB, Codec::Opus);
        agreed.opus_fmtp.cbr = cbr;
        let codecs = Codecs::new(Codec::Pcmu, &agreed, &MediaConfig::default()).unwrap();
        story.way.prepare(Some(codecs));
        for payload in spoken(Codec::Pcmu, 50) {
            let packet = story.say(&payload, samples(Codec::Pcmu));
            story.arrive(&packet);
            story.pass(PTIME);
        }
        let lengths = story.sent.iter().map(|sent| sent.payload.len());
        lengths.collect::<Vec<_>>()
    });
    for lengths in &mut lengths {
        assert!(lengths.len() >= 49, "{}", lengths.len());
        lengths.dedup();
    }
    let [constant, other] = lengths;
    assert_eq!(constant.len(), 1, "{constant:?}");
    assert!(other.len() > 1, "{other:?}");
}
