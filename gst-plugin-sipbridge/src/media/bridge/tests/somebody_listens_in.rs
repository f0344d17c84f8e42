// SPDX-License-Identifier: MPL-2.0
//! What Alice says is heard beside the bridge as well, whatever becomes of it on its way.

use std::sync::{Arc, Mutex};

use super::*;
use crate::codec::chain::append_samples;
use crate::media::bridge::Passing;
use crate::media::{AudioOut, OutFrame};

const RATE_HZ: u32 = 16_000;

#[derive(Clone, Default)]
struct Ear {
    /// In virtual time; `None`: nothing plays.
    now: Arc<Mutex<Option<gst::ClockTime>>>,
    frames: Arc<Mutex<Vec<gst::Buffer>>>,
}

impl AudioOut for Ear {
    fn running_time(&self) -> Option<gst::ClockTime> {
        *self.now.lock().unwrap()
    }

    fn frame(&mut self, frame: OutFrame) {
        let OutFrame::Audio(buffer) = frame else {
            panic!("a tap gives audio");
        };
        self.frames.lock().unwrap().push(buffer);
    }
}

struct Listening {
    story: Story,
    ear: Ear,
}

impl Listening {
    fn to(heard: Codec, said: Codec) -> Listening {
        let mut story = Story::new(heard, said);
        let ear = Ear::default();
        story
            .way
            .set_listener(Some((RATE_HZ, Box::new(ear.clone()))));
        let mut listening = Listening { story, ear };
        listening.pass(Duration::ZERO);
        listening
    }

    fn pass(&mut self, time: Duration) {
        self.story.pass(time);
        let since = (self.story.now - self.story.begin).as_nanos() as u64;
        *self.ear.now.lock().unwrap() = Some(gst::ClockTime::from_nseconds(since));
    }

    fn say(&mut self, codec: Codec, packets: usize) {
        for payload in spoken(codec, packets) {
            let packet = self.story.say(&payload, samples(codec));
            self.story.arrive(&packet);
            self.pass(PTIME);
        }
    }

    /// When each frame begins, and whether it follows the one before.
    fn frames(&self) -> Vec<(gst::ClockTime, gst::ClockTime, bool)> {
        let frames = self.ear.frames.lock().unwrap();
        let of = |frame: &gst::Buffer| {
            let is_break = frame.flags().contains(gst::BufferFlags::DISCONT);
            (frame.pts().unwrap(), frame.duration().unwrap(), is_break)
        };
        frames.iter().map(of).collect()
    }

    fn loudest(&self) -> u16 {
        let frames = self.ear.frames.lock().unwrap();
        let mut pcm = Vec::new();
        for frame in frames.iter() {
            append_samples(&frame.map_readable().unwrap(), &mut pcm);
        }
        pcm.into_iter().map(i16::unsigned_abs).max().unwrap_or(0)
    }
}

#[test]
fn every_codec_is_heard_without_a_break() {
    for codec in Codec::ALL {
        let mut listening = Listening::to(codec, codec);
        listening.say(codec, 50);
        assert_eq!(listening.story.sent.len(), 50, "{codec}");
        let frames = listening.frames();
        assert!(frames.len() >= 49, "{codec}: {}", frames.len());
        for (number, two) in frames.windows(2).enumerate() {
            assert_eq!(two[1].0, two[0].0 + two[0].1, "{codec}: {number}");
            assert!(!two[1].2, "{codec}: {number}");
        }
        assert!(listening.loudest() > 6_000, "{codec}");
    }
}

#[test]
fn what_is_kept_from_the_other_side_is_heard() {
    let mut listening = Listening::to(Codec::Pcma, Codec::Opus);
    let instead = listening.story.way.instead();
    instead.set_passing(Passing::Blocked);
    listening.say(Codec::Pcma, 50);
    assert!(listening.story.sent.is_empty());
    assert!(listening.loudest() > 6_000);
}

#[test]
fn time_goes_on_while_nothing_is_said() {
    let mut listening = Listening::to(Codec::Pcmu, Codec::Pcmu);
    listening.say(Codec::Pcmu, 10);
    listening.pass(Duration::from_secs(3));
    let before = listening.frames().len();
    listening.say(Codec::Pcmu, 10);
    let frames = listening.frames();
    let (pts, _, is_break) = frames[before];
    assert!(pts >= gst::ClockTime::from_seconds(3), "{pts}");
    assert!(is_break);
    assert!(
        frames[before + 1..]
            .iter()
            .all(|(_, _, is_break)| !is_break)
    );
}

#[test]
fn time_does_not_run_ahead() {
    let mut listening = Listening::to(Codec::Pcmu, Codec::Pcmu);
    for payload in spoken(Codec::Pcmu, 100) {
        let packet = listening.story.say(&payload, samples(Codec::Pcmu));
        listening.story.arrive(&packet);
    }
    let frames = listening.frames();
    assert!(frames.len() < 15, "{}", frames.len());
}

#[test]
fn nothing_is_decoded_before_it_plays() {
    let mut listening = Listening::to(Codec::Pcmu, Codec::Pcmu);
    for payload in spoken(Codec::Pcmu, 10) {
        *listening.ear.now.lock().unwrap() = None;
        let packet = listening.story.say(&payload, samples(Codec::Pcmu));
        listening.story.arrive(&packet);
        listening.story.pass(PTIME);
    }
    assert!(listening.frames().is_empty());
    assert_eq!(listening.story.sent.len(), 10);
    listening.pass(PTIME);
    listening.say(Codec::Pcmu, 10);
    assert_eq!(listening.frames().len(), 10);
}
