// SPDX-License-Identifier: MPL-2.0
//! What one participant adds to the mix: their frames, joined without a click.

use super::Rate;
use super::activity::{self, Activity};

/// Samples over which a voice that breaks off or sets in fades: 5 ms.
fn fade(rate: Rate) -> usize {
    rate.frame() / 4
}

/// How many of its time constants a voice that breaks off has to come to rest in.
const RESTS: f32 = 6.5;

/// The most a voice that breaks off swings on, as a share of its size a sample.
const SWING: f32 = 0.4;

/// How one frame of a voice meets the frame before it and the one after.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    Whole,
    SetsIn,
    /// Over the whole frame: it is quiet already.
    DiesAway,
}

/// A participant's way into the mix. Samples are floats that hold whole numbers, so that sums of them
/// are exact, and a voice can be taken out of a sum again without a trace.
pub(super) struct Voice {
    pub(super) rate: Rate,
    activity: Activity,
    muted: bool,
    /// What is added this tick, at `rate`, and what was the tick before.
    frame: Vec<f32>,
    previous: Vec<f32>,
    sounds: bool,
    sounded: bool,
    /// It was in the mix up to the end of its last frame.
    open: bool,
    heard: bool,
}

impl Voice {
    pub(super) fn new(rate: Rate, ceiling_dbfs: f32) -> Voice {
        Voice {
            rate,
            activity: Activity::new(ceiling_dbfs),
            muted: false,
            frame: vec![0.0; Rate::Hz48000.frame()],
            previous: vec![0.0; Rate::Hz48000.frame()],
            sounds: false,
            sounded: false,
            open: false,
            heard: false,
        }
    }

    pub(super) fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    pub(super) fn set_ceiling(&mut self, dbfs: f32) {
        self.activity.set_ceiling(dbfs);
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.activity.is_speaking() && !self.muted
    }

    pub(super) fn level_dbfs(&self) -> f32 {
        self.activity.level_dbfs()
    }

    /// Whether it changes the mix this tick.
    pub(super) fn sounds(&self) -> bool {
        self.sounds
    }

    /// What it adds this tick; `None`: nothing.
    pub(super) fn frame(&self) -> Option<&[f32]> {
        self.frame.get(..self.rate.frame()).filter(|_| self.sounds)
    }

    /// What it added the tick before.
    pub(super) fn previous(&self) -> Option<&[f32]> {
        self.previous
            .get(..self.rate.frame())
            .filter(|_| self.sounded)
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.frame, &mut self.previous);
        self.sounded = std::mem::take(&mut self.sounds);
    }

    /// The participant's frame for the next tick; its level where the sender told it (RFC 6464).
    pub(super) fn hear(&mut self, rate: Rate, samples: &[i16], told_dbfs: Option<f32>) {
        if std::mem::replace(&mut self.heard, true) {
            return;
        }
        self.turn();
        self.activity
            .hear(told_dbfs.unwrap_or_else(|| activity::level_dbfs(samples)));
        if rate != self.rate {
            // The old rate's voice breaks off; the new one's sets in a tick later.
            if self.open {
                self.break_off();
                return;
            }
            self.sounded = false;
            self.rate = rate;
        }
        let join = match (self.is_speaking(), self.open) {
            (true, true) => Join::Whole,
            (true, false) => Join::SetsIn,
            (false, true) => Join::DiesAway,
            (false, false) => return,
        };
        self.take(samples, join);
        self.open = join != Join::DiesAway;
        self.sounds = true;
    }

    fn take(&mut self, samples: &[i16], join: Join) {
        let length = self.rate.frame();
        let Some(frame) = self.frame.get_mut(..length) else {
            return;
        };
        frame.fill(0.0);
        for (to, from) in frame.iter_mut().zip(samples) {
            *to = f32::from(*from);
        }
        match join {
            Join::Whole => {}
            Join::SetsIn => {
                let fade = fade(self.rate);
                for (i, sample) in frame.iter_mut().take(fade).enumerate() {
                    *sample = (*sample * i as f32 / fade as f32).round();
                }
            }
            Join::DiesAway => {
                for (i, sample) in frame.iter_mut().enumerate() {
                    *sample = (*sample * (length - 1 - i) as f32 / length as f32).round();
                }
            }
        }
    }

    /// Before a tick: what nothing came for breaks off.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.heard) {
            return;
        }
        self.turn();
        self.activity.miss();
        if self.open {
            self.break_off();
        }
    }

    /// Comes to rest from where its last frame ended, as a damped spring would: without a step, without a
    /// bend, and without a tone that was not there.
    fn break_off(&mut self) {
        let length = self.rate.frame();
        let fade = fade(self.rate);
        let (Some(frame), Some(last)) = (self.frame.get_mut(..length), self.previous.get(..length))
        else {
            return;
        };
        let ending = last.get(length - fade..).unwrap_or_default();
        let size = ending.iter().fold(0.0, |size, s| f32::max(size, s.abs()));
        let (start, slope) = match ending {
            // Over a few samples, for the highest tones change direction with every one.
            [.., before, _, _, end] => {
                let slope = (end - before) / 3.0;
                (*end, slope.clamp(-SWING * size, SWING * size))
            }
            _ => (0.0, 0.0),
        };
        let rest = fade as f32 / RESTS;
        frame.fill(0.0);
        for (i, sample) in frame.iter_mut().take(fade).enumerate() {
            let t = (i + 1) as f32;
            let ramp = 1.0 - t / fade as f32;
            *sample = ((start + (slope + start / rest) * t) * (-t / rest).exp() * ramp).round();
        }
        self.open = false;
        self.sounds = true;
    }

    /// The participant leaves: what is left of the voice, if anything.
    pub(super) fn leave(mut self) -> Option<Voice> {
        if self.heard {
            // A frame that no tick has taken yet was never heard: the one before it ends the voice.
            if !self.sounded {
                return None;
            }
            std::mem::swap(&mut self.frame, &mut self.previous);
        } else if !self.open {
            return None;
        }
        self.turn();
        self.break_off();
        Some(self)
    }
}
