// SPDX-License-Identifier: MPL-2.0
//! Rooms without elements, tick by tick.

mod encoders_change_unheard;
mod everyone_hears_everyone_else;
mod joins_and_leaves_do_not_click;
mod rates_meet;
mod the_silent_share;
mod two_hundred_in_a_room;

use std::sync::LazyLock;

use sip_ua::sdp::Codec;
use sipbridge_measure::{PHONE_SPEECH, ROOM_SPEECH};

use super::{Heard, Listening, Mixer, MixerSettings, Participant, Rate};
use crate::codec::{Decoder, OpusSettings};

/// A room, and what everybody in it has heard.
struct Room {
    mixer: Mixer,
    /// Ticks so far.
    tick: usize,
}

impl Room {
    fn new() -> Room {
        Room::with(MixerSettings::default())
    }

    fn with(settings: MixerSettings) -> Room {
        Room {
            mixer: Mixer::new(settings),
            tick: 0,
        }
    }

    fn join(&mut self, speaks: Option<Rate>, listening: Listening) -> Participant {
        let participant = self.mixer.join();
        if let Some(rate) = speaks {
            self.mixer.speak(participant, rate);
        }
        self.mixer.listen(participant, Some(listening));
        participant
    }

    /// One who speaks and hears samples at a rate.
    fn phone(&mut self, rate: Rate) -> Participant {
        self.join(Some(rate), Listening::Samples(rate))
    }

    fn says(&mut self, participant: Participant, rate: Rate, samples: &[i16]) {
        self.mixer.hear(participant, rate, samples, None);
    }

    fn tick(&mut self) {
        self.mixer.tick().unwrap();
        self.tick += 1;
    }

    fn samples(&self, participant: Participant) -> Vec<i16> {
        match self.mixer.heard(participant) {
            Some(Heard::Samples(samples)) => samples.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn packet(&self, participant: Participant) -> Vec<u8> {
        match self.mixer.heard(participant) {
            Some(Heard::Packet(packet)) => packet.to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

/// One frame of a tone.
fn tone(rate: Rate, hz: f64, amplitude: f64, tick: usize) -> Vec<i16> {
    (0..rate.frame())
        .map(|i| {
            let t = (tick * rate.frame() + i) as f64 / f64::from(rate.hz());
            (f64::sin(t * hz * std::f64::consts::TAU) * amplitude).round() as i16
        })
        .collect()
}

/// Speech at 16 kHz, in a loop.
struct Speech(Vec<i16>);

impl Speech {
    fn read(wav: &[u8]) -> Speech {
        let (pairs, _) = wav[44..].as_chunks::<2>();
        Speech(pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
    }

    fn frame(&self, rate: Rate, tick: usize) -> Vec<i16> {
        let length = Rate::Hz16000.frame();
        let frames = self.0.len() / length;
        let from = tick % frames * length;
        let samples = &self.0[from..from + length];
        match rate {
            Rate::Hz16000 => samples.to_vec(),
            Rate::Hz8000 => samples.iter().step_by(2).copied().collect(),
            Rate::Hz48000 => samples.iter().flat_map(|sample| [*sample; 3]).collect(),
        }
    }
}

static PHONE: LazyLock<Speech> = LazyLock::new(|| Speech::read(PHONE_SPEECH));
static OTHER: LazyLock<Speech> = LazyLock::new(|| Speech::read(ROOM_SPEECH));

fn rms(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// The level of one tone in what was heard.
fn level_of(samples: &[i16], rate: Rate, hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let turn = i as f64 / f64::from(rate.hz()) * hz * std::f64::consts::TAU;
        re += f64::from(*sample) * turn.cos();
        im += f64::from(*sample) * turn.sin();
    }
    re.hypot(im) / samples.len().max(1) as f64 * 2.0
}

/// The sharpest bend in a signal: clicks bend, speech and tones hardly do.
fn sharpest(samples: &[i16]) -> i32 {
    samples
        .windows(3)
        .map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs())
        .max()
        .unwrap_or(0)
}
