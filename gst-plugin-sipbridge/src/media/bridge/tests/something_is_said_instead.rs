// SPDX-License-Identifier: MPL-2.0
//! Silence, nothing, or a recording in place of what Alice says.

use super::*;
use crate::codec::Decoder;
use crate::media::bridge::{Passing, Recording};

impl Story {
    /// What is due of what is said instead.
    fn speak(&mut self) -> Option<Instant> {
        let mut out = Out {
            at: self.now - self.begin,
            sent: &mut self.sent,
        };
        self.way.speak(self.now, &mut self.to, &mut out)
    }

    /// Alice speaks, so many packets, and the bridge does what is due meanwhile.
    fn go_on(&mut self, codec: Codec, packets: usize) {
        for payload in spoken(codec, packets) {
            let packet = self.say(&payload, samples(codec));
            self.speak();
            self.arrive(&packet);
            self.pass(PTIME);
        }
    }

    fn decoded(&self, said: Codec) -> Vec<i16> {
        let mut decoder = Decoder::new(said, said.audio_rate()).unwrap();
        let mut pcm = Vec::new();
        for sent in &self.sent {
            decoder.decode(&sent.payload, &mut pcm);
        }
        pcm
    }
}

fn in_step(sent: &[Sent], samples: u32) {
    for two in sent.windows(2) {
        let step = two[1].timestamp.wrapping_sub(two[0].timestamp);
        assert_eq!(step, samples);
        assert_eq!(two[1].sequence, two[0].sequence.wrapping_add(1));
    }
}

#[test]
fn silence_is_sent_in_every_codec_and_ends() {
    for said in Codec::ALL {
        let mut story = Story::new(Codec::Pcmu, said);
        story.way.instead().set_passing(Passing::Silenced);
        story.go_on(Codec::Pcmu, 50);
        assert_eq!(story.sent.len(), 50, "{said}");
        in_step(&story.sent, samples(said));
        let loudest = story.decoded(said).into_iter().map(i16::unsigned_abs).max();
        assert!(loudest < Some(20), "{said}: {loudest:?}");
        assert!(story.sent[0].marker && !story.sent[1].marker);
        story.way.instead().set_passing(Passing::Passes);
        story.sent.clear();
        story.go_on(Codec::Pcmu, 50);
        assert!(story.sent.len() >= 49, "{said}");
        assert!(story.sent[0].marker && !story.sent[1].marker);
        let loudest = story.decoded(said).into_iter().map(i16::unsigned_abs).max();
        assert!(loudest > Some(5_000), "{said}: {loudest:?}");
    }
}

#[test]
fn what_is_blocked_is_not_sent_and_time_goes_on() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    story.go_on(Codec::Pcmu, 5);
    story.way.instead().set_passing(Passing::Blocked);
    story.go_on(Codec::Pcmu, 50);
    assert_eq!(story.sent.len(), 5);
    assert_eq!(story.speak(), None);
    story.way.instead().set_passing(Passing::Passes);
    story.go_on(Codec::Pcmu, 5);
    assert_eq!(story.sent.len(), 10);
    let [before, after] = [&story.sent[4], &story.sent[5]];
    assert!(after.marker);
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    let step = after.timestamp.wrapping_sub(before.timestamp);
    assert!(step.abs_diff(51 * 160) <= 8, "{step}");
}

#[test]
fn a_recording_is_heard_in_every_codec_once_or_again_and_again() {
    let pcm: Vec<i16> = (0..25).flat_map(|number| tone(48_000, number)).collect();
    for said in Codec::ALL {
        for (repeats, packets) in [(false, 25), (true, 50)] {
            let mut story = Story::new(Codec::Pcmu, said);
            let recording = Recording::new(pcm.clone(), 48_000);
            assert_eq!(recording.duration(), Duration::from_millis(500));
            story.way.instead().play(Some((recording, repeats)));
            for _ in 0..50 {
                story.speak();
                story.pass(PTIME);
            }
            // A resampler holds back less than a packet.
            let sent = story.sent.len();
            assert!((packets..=packets + 1).contains(&sent), "{said}: {sent}");
            in_step(&story.sent, samples(said));
            let rate_hz = said.audio_rate();
            let heard = story.decoded(said);
            let steady = &heard[rate_hz as usize / 10..rate_hz as usize * 4 / 10];
            let purity = codecs_differ::purity(steady, rate_hz);
            assert!(purity > 0.97, "{said}: {purity}");
            assert_eq!(story.way.instead().take_end(), !repeats, "{said}");
            story.way.instead().play(None);
            story.sent.clear();
            story.go_on(Codec::Pcmu, 5);
            assert!(story.sent.len() >= 4, "Alice again, in {said}");
        }
    }
}

#[test]
fn who_is_held_up_does_not_burst() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    story.way.instead().set_passing(Passing::Silenced);
    let due = story.speak().unwrap();
    assert_eq!(due - story.now, PTIME);
    story.pass(Duration::from_secs(5));
    story.speak();
    assert_eq!(story.sent.len(), 2);
    let step = story.sent[1]
        .timestamp
        .wrapping_sub(story.sent[0].timestamp);
    assert_eq!(step, 40_000);
}
