// SPDX-License-Identifier: MPL-2.0
//! Packets in order and at once, for a bridge: whoever listens behind it has a jitter buffer.
//!
//! A packet that is next passes on as it comes. Only a hole holds back what is behind it, for the
//! moment in which a packet that was overtaken would still come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use super::jitter::{Arrived, Content, Done, Inserted};
use crate::codec::noise::Noise;
use crate::codec::opus_carries_copy;

/// How long packets behind a hole wait for what is missing …
const HOLD: Duration = Duration::from_millis(30);

/// … or for so many of them: the missing one would have been overtaken thrice.
const BEHIND: usize = 3;

/// A flood must not fill the memory of a bridge that does not ask.
const MAX_PACKETS: usize = 64;

/// More missing audio than this (in milliseconds) is a pause of the network, not concealed.
const CONCEAL_MAX_MS: u32 = 200;

/// What a bridge passes on next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Relayed<'a> {
    /// A packet.
    Frame {
        /// What it is in.
        codec: Codec,
        /// The encoded audio.
        payload: &'a [u8],
        /// How much audio, in RTP clock units.
        samples: u32,
        /// The first after a pause: time passed in which nothing was sent.
        talkspurt: bool,
    },
    /// Audio that is missing and worth concealing.
    Lost {
        /// The codec it would have been in.
        codec: Codec,
        /// How much, in RTP clock units.
        samples: u32,
        /// The packet after it, if it is at hand: Opus may carry the missing one within.
        next: Option<&'a [u8]>,
    },
    /// The far end pauses, and says what its silence sounds like (RFC 3389).
    Noise(Noise),
}

#[derive(Debug)]
struct Entry {
    sequence: i64,
    timestamp: u32,
    kind: Kind,
    payload: Vec<u8>,
    came: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Audio(Codec, u32),
    Noise(Option<Noise>),
    /// Told of elsewhere; here it explains why there is no audio.
    Event,
}

/// What follows the last packet that was passed on.
#[derive(Debug, Clone, Copy)]
struct Next {
    sequence: i64,
    timestamp: u32,
    codec: Option<Codec>,
    usual: u32,
}

/// The packets of one stream that wait.
#[derive(Debug, Default)]
pub(super) struct Sequencer {
    waiting: VecDeque<Entry>,
    next: Option<Next>,
    /// The payload passed on last.
    current: Vec<u8>,
    /// Payloads that were passed on, to be filled again.
    spare: Vec<Vec<u8>>,
    done: Done,
}

impl Sequencer {
    /// Another stream begins, or another clock.
    pub(super) fn reset(&mut self) {
        let given_up = self.waiting.drain(..).map(|entry| entry.payload);
        self.spare.extend(given_up);
        self.next = None;
    }

    pub(super) fn done(&self) -> Done {
        self.done
    }

    pub(super) fn insert(&mut self, now: Instant, arrived: Arrived<'_>) -> Inserted {
        if self
            .next
            .is_some_and(|next| arrived.sequence < next.sequence)
        {
            return Inserted::Late;
        }
        // Nearly always the last place.
        let place = self
            .waiting
            .iter()
            .rposition(|entry| entry.sequence <= arrived.sequence)
            .map_or(0, |before| before + 1);
        let before = place.checked_sub(1).and_then(|at| self.waiting.get(at));
        if before.is_some_and(|before| before.sequence == arrived.sequence) {
            return Inserted::Duplicate;
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        let kind = match arrived.content {
            Content::Audio(codec, bytes, samples) => {
                payload.extend_from_slice(bytes);
                Kind::Audio(codec, samples)
            }
            Content::Noise(noise) => Kind::Noise(noise),
            Content::Event => Kind::Event,
        };
        let entry = Entry {
            sequence: arrived.sequence,
            timestamp: arrived.timestamp,
            kind,
            payload,
            came: now,
        };
        self.waiting.insert(place, entry);
        if self.waiting.len() > MAX_PACKETS
            && let Some(entry) = self.waiting.pop_front()
        {
            self.spare.push(entry.payload);
        }
        Inserted::Kept
    }

    /// When to ask [`Sequencer::relay`] though nothing came: a hole is then given up.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|entry| entry.came + HOLD).min()
    }

    /// What is to be passed on now, if anything.
    pub(super) fn relay(&mut self, now: Instant) -> Option<Relayed<'_>> {
        loop {
            let head = self.waiting.front()?;
            if let Some(next) = self.next {
                let missing = head.sequence - next.sequence;
                let waited =
                    self.waiting.len() > BEHIND || self.due().is_some_and(|due| due <= now);
                if missing > 0 && !waited {
                    return None;
                }
                if missing > 0 && self.conceals(next) {
                    return self.lost(next, missing);
                }
            }
            let mut entry = self.waiting.pop_front()?;
            let before = self.next;
            self.pass_on(&mut entry, before);
            match entry.kind {
                Kind::Audio(codec, samples) => {
                    self.done.played += 1;
                    let seamless = before.is_some_and(|before| {
                        before.codec.is_some() && before.timestamp == entry.timestamp
                    });
                    return Some(Relayed::Frame {
                        codec,
                        payload: &self.current,
                        samples,
                        talkspurt: !seamless,
                    });
                }
                Kind::Noise(Some(noise)) => return Some(Relayed::Noise(noise)),
                Kind::Noise(None) | Kind::Event => {}
            }
        }
    }

    /// Whether what is missing before the first that waits is worth making up.
    fn conceals(&mut self, next: Next) -> bool {
        let Some((head, codec)) = self.waiting.front().zip(next.codec) else {
            return false;
        };
        let gap = head.timestamp.wrapping_sub(next.timestamp) as i32;
        let most = codec.clock_rate() / 1000 * CONCEAL_MAX_MS;
        (1..=most as i32).contains(&gap)
    }

    fn lost(&mut self, next: Next, missing: i64) -> Option<Relayed<'_>> {
        let (head, codec) = (self.waiting.front()?, next.codec?);
        let gap = head.timestamp.wrapping_sub(next.timestamp);
        let samples = if missing == 1 {
            gap
        } else {
            gap.min(next.usual)
        };
        self.next = Some(Next {
            // Of whatever lengths they were: where the audio ends, so do the numbers.
            sequence: if samples == gap {
                head.sequence
            } else {
                next.sequence + 1
            },
            timestamp: next.timestamp.wrapping_add(samples),
            ..next
        });
        self.done.missed += 1;
        self.done.missed_runs += u64::from(samples == gap);
        self.done.concealed_frames += 1;
        self.done.concealed_us += i64::from(samples) * 1_000_000 / i64::from(codec.clock_rate());
        let at_hand = matches!(head.kind, Kind::Audio(other, _) if other == codec);
        let next = (samples == gap && at_hand).then_some(head.payload.as_slice());
        if codec == Codec::Opus && next.is_some_and(opus_carries_copy) {
            self.done.recovered += 1;
        }
        Some(Relayed::Lost {
            codec,
            samples,
            next,
        })
    }

    fn pass_on(&mut self, entry: &mut Entry, before: Option<Next>) {
        std::mem::swap(&mut self.current, &mut entry.payload);
        self.spare.push(std::mem::take(&mut entry.payload));
        let usual = before.map_or(0, |before| before.usual);
        let (codec, samples) = match entry.kind {
            Kind::Audio(codec, samples) => (Some(codec), samples),
            Kind::Noise(_) | Kind::Event => (None, 0),
        };
        self.next = Some(Next {
            sequence: entry.sequence + 1,
            timestamp: entry.timestamp.wrapping_add(samples),
            codec,
            usual: if samples > 0 { samples } else { usual },
        });
    }
}
