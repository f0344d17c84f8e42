// SPDX-License-Identifier: MPL-2.0
//! Somebody is silent in a large room for a while, and then speaks: by then their silence is not decoded
//! any more, and the first word is heard as if it had been.

use std::collections::VecDeque;

use sipbridge_measure::{PHONE_SPEECH, Wave};

use crate::codec::{Encoder, OpusSettings};
use crate::leg::{Frame, Listener, Playable, Playout, Tempo};
use crate::media::player::Player;

use super::*;

const RATE_HZ: u32 = 16_000;
const FRAME: usize = 320;
const SILENT_FRAMES: usize = 150;
const SPOKEN_FRAMES: usize = 100;

/// Packets that come when they are due.
struct Line {
    packets: VecDeque<Vec<u8>>,
    now: Vec<u8>,
}

impl Playable for Line {
    fn playout(&mut self, _now: Instant, _listener: Listener) -> Playout<'_> {
        match self.packets.pop_front() {
            Some(packet) => self.now = packet,
            None => return Playout::Silence,
        }
        Playout::Frame(Frame {
            codec: Codec::Opus,
            payload: &self.now,
            samples: 960,
            talkspurt: false,
            follows: true,
            tempo: Tempo::Keep,
            level: None,
            timestamp: 0,
            sequence: 0,
        })
    }

    fn stretched(&mut self, _out: Duration, _put_in: Duration) {}

    fn codec(&self) -> Option<Codec> {
        Some(Codec::Opus)
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// A word, a long silence with some faint noise in it, and speech, as a browser sends it.
fn packets() -> VecDeque<Vec<u8>> {
    let speech = Wave::from_wav(PHONE_SPEECH).unwrap();
    let speech = speech.resampled(RATE_HZ).samples;
    let mut random = 7u32;
    let mut faint = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as i16 % 40
    };
    let settings = OpusSettings {
        bitrate_bps: 32_000,
        ..OpusSettings::default()
    };
    let mut encoder = Encoder::new(Codec::Opus, RATE_HZ, settings).unwrap();
    let spoken = |frame: usize| speech.get(frame * FRAME..(frame + 1) * FRAME).unwrap();
    let silence: Vec<i16> = (0..SILENT_FRAMES * FRAME).map(|_| faint()).collect();
    let frames = (0..50)
        .map(spoken)
        .chain(silence.chunks(FRAME))
        .chain((0..SPOKEN_FRAMES).map(spoken));
    frames
        .map(|pcm| {
            let mut packet = Vec::new();
            encoder.encode(pcm, &mut packet);
            packet
        })
        .collect()
}

/// What is heard of all that, and how many frames only stood for silence.
fn heard(may_rest: bool) -> (Vec<i16>, usize) {
    let mut line = Line {
        packets: packets(),
        now: Vec::new(),
    };
    let mut player = Player::new();
    player.may_rest = may_rest;
    let (mut heard, mut rested) = (Vec::new(), 0);
    while !line.packets.is_empty() {
        player.fill(Instant::now(), &mut line, FRAME, RATE_HZ, |_| {});
        heard.extend_from_slice(player.next(FRAME));
        player.took(FRAME);
        if let Some(level) = player.rests_at_dbfs() {
            assert!(level < -45.0, "{level}");
            rested += 1;
        }
    }
    (heard, rested)
}

fn energy(samples: impl Iterator<Item = i32>) -> f64 {
    samples.map(|sample| f64::from(sample).powi(2)).sum()
}

#[test]
fn silence_nobody_hears_is_not_decoded() {
    gst::init().unwrap();
    let (expected, none) = heard(false);
    assert_eq!(none, 0);
    let (heard, rested) = heard(true);
    assert!(rested > SILENT_FRAMES / 3, "{rested}");
    assert_eq!(heard.len(), expected.len());
    let from = heard.len() - SPOKEN_FRAMES * FRAME;
    let (heard, expected) = (&heard[from..], &expected[from..]);
    let off = heard.iter().zip(expected);
    let off = energy(off.map(|(a, b)| i32::from(*a) - i32::from(*b)));
    let all = energy(expected.iter().map(|sample| i32::from(*sample)));
    let ratio_db = 10.0 * (all / off.max(1.0)).log10();
    println!("{rested} frames at rest; what is said then is off by -{ratio_db:.1} dB");
    assert!(ratio_db > 30.0, "{ratio_db:.1} dB");
}
