// SPDX-License-Identifier: MPL-2.0
//! The jitter buffer: plain data that packets go into as they come and audio is taken from as it
//! is played.
//!
//! Time has two axes. A packet's *delay* is the time between when it would be there at the fastest
//! and when it is played; the buffer steers the delay of what it plays towards a target that
//! follows the measured jitter. It never stops playing to refill: it grows by concealing a packet
//! that is late and playing it all the same, and shrinks by playing a little faster, or for who
//! cannot, by leaving out what is quiet. Where the far end itself pauses (DTX, a digit, hold) it
//! starts over at the target.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use super::arrival::Arrivals;
use super::foresight::Foresight;
use super::playout::{Frame, Listener, Playout};
use super::tempo::{Steering, Tempo};
use crate::codec::noise::Noise;
use crate::codec::opus_carries_copy;

/// The delay aimed at on a clean network: one usual packet, so that a late tick or a packet out of
/// order costs nothing.
const FLOOR_US: i64 = 20_000;

/// One step of playing.
const STEP_US: i64 = 20_000;

/// After this much concealment in a row there is nothing left to conceal with.
const CONCEAL_MAX_US: i64 = 200_000;

/// Delay above the target that is taken out even where it is not quiet.
const FORCED_EXCESS_US: i64 = 80_000;

/// The same where a faster tempo would take too long to do it.
const HOPELESS_EXCESS_US: i64 = 240_000;

/// What the next packet may come later than a packet time after the one before.
const NEXT_US: i64 = 5_000;

/// At most one packet in this long is left out.
const SKIP_PAUSE_US: i64 = 100_000;

/// A media clock that is off by more than this has jumped.
const CLOCK_JUMP_US: i64 = 1_500_000;

/// No network in use needs more; a flood must not fill the memory.
const MAX_PACKETS: usize = 200;

/// A packet as it goes in. Sequence and timestamp are extended: they never wrap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) sequence: i64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    /// What the sender tells of its level (RFC 6464), in dB below full scale.
    pub(super) level: Option<u8>,
    pub(super) content: Content<'a>,
}

/// What is in a packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    /// Audio, so many RTP clock units long.
    Audio(Codec, &'a [u8], u32),
    /// A pause, and what it sounds like.
    Noise(Option<Noise>),
    /// Something that takes the place of audio but is none, such as a digit.
    Event,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    Kept,
    Duplicate,
    Late,
}

#[derive(Debug)]
struct Entry {
    sequence: i64,
    timestamp: i64,
    duration: i64,
    marker: bool,
    level: Option<u8>,
    codec: Option<Codec>,
    noise: Option<Noise>,
    payload: Vec<u8>,
}

/// Counters of what was done to the audio, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) concealed_us: i64,
    /// In packet times.
    pub(super) concealed_frames: u64,
    /// Packets played.
    pub(super) played: u64,
    /// Packets that were not there when they were due, and in how many runs.
    pub(super) missed: u64,
    pub(super) missed_runs: u64,
    /// Of those, whose copy was at hand in the packet after them.
    pub(super) recovered: u64,
    pub(super) skipped_us: i64,
    pub(super) stretched_us: i64,
}

#[derive(Debug)]
pub(super) struct JitterBuffer {
    epoch: Instant,
    clock_hz: i64,
    max_us: i64,
    packets: VecDeque<Entry>,
    /// Payloads that were played, to be filled again.
    spare: Vec<Vec<u8>>,
    current: Vec<u8>,
    arrivals: Arrivals,
    foresight: Foresight,
    steering: Steering,
    /// The last timestamp that came in, extended.
    latest: Option<i64>,
    /// What is to be played next, in extended clock units; `None` while waiting to begin.
    position: Option<i64>,
    /// The last packet played or passed over.
    played: Option<i64>,
    codec: Option<Codec>,
    /// What the far end's silence sounds like, while it pauses.
    noise: Option<Noise>,
    usual: i64,
    /// Concealed without moving on, in the hope that the packet was only late.
    ahead: i64,
    /// Concealed in a row.
    concealed_run: i64,
    skipped_at: i64,
    delay_us: i64,
    done: Done,
}

impl JitterBuffer {
    pub(super) fn new(epoch: Instant, max: Duration) -> JitterBuffer {
        JitterBuffer {
            epoch,
            clock_hz: 8_000,
            max_us: (max.as_micros() as i64).max(STEP_US),
            packets: VecDeque::with_capacity(16),
            spare: Vec::new(),
            current: Vec::new(),
            arrivals: Arrivals::new(),
            foresight: Foresight::default(),
            steering: Steering::default(),
            latest: None,
            position: None,
            played: None,
            codec: None,
            noise: None,
            usual: 160,
            ahead: 0,
            concealed_run: 0,
            skipped_at: 0,
            delay_us: 0,
            done: Done::default(),
        }
    }

    /// Empties it: another stream begins, or another clock.
    pub(super) fn reset(&mut self, clock_hz: u32) {
        while let Some(entry) = self.packets.pop_front() {
            self.spare.push(entry.payload);
        }
        if i64::from(clock_hz) != self.clock_hz {
            self.usual = i64::from(clock_hz) / 50;
            self.clock_hz = i64::from(clock_hz);
        }
        self.arrivals.rebase();
        self.latest = None;
        self.played = None;
        self.noise = None;
        self.pause();
    }

    /// Whoever plays took this much out of the audio, or put it in.
    pub(super) fn stretched(&mut self, out: Duration, put_in: Duration) {
        self.done.skipped_us += out.as_micros() as i64;
        self.done.stretched_us += put_in.as_micros() as i64;
    }

    pub(super) fn clock_hz(&self) -> u32 {
        self.clock_hz as u32
    }

    pub(super) fn done(&self) -> Done {
        self.done
    }

    /// The delay of what was last played.
    pub(super) fn delay_us(&self) -> i64 {
        self.delay_us
    }

    /// The usual length of a packet.
    pub(super) fn usual_us(&self) -> i64 {
        self.us(self.usual)
    }

    /// The delay aimed at.
    pub(super) fn target_us(&self) -> i64 {
        let spread = self.arrivals.spread_us();
        let next = if self.foresight.pays() {
            spread + self.us(self.usual) + NEXT_US
        } else {
            0
        };
        spread
            .max(next)
            .max(FLOOR_US)
            .min(self.max_us.max(FLOOR_US))
    }

    fn us(&self, units: i64) -> i64 {
        units * 1_000_000 / self.clock_hz
    }

    fn units(&self, us: i64) -> i64 {
        us * self.clock_hz / 1_000_000
    }

    fn time_us(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.epoch).as_micros() as i64
    }

    /// How far `timestamp`, played now, lies behind the fastest way here.
    fn delay_at(&self, now_us: i64, timestamp: i64) -> i64 {
        now_us - self.us(timestamp) - self.arrivals.lowest().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, now: Instant, arrived: Arrived<'_>) -> Inserted {
        let now_us = self.time_us(now);
        let timestamp = match self.latest {
            Some(latest) => {
                latest + i64::from(arrived.timestamp.wrapping_sub(latest as u32) as i32)
            }
            // Far from zero, so that what comes before the first is not negative.
            None => i64::from(arrived.timestamp) + (1 << 32),
        };
        if let Content::Audio(codec, payload, samples) = arrived.content {
            self.foresight
                .came(codec == Codec::Opus && opus_carries_copy(payload));
            let transit = now_us - self.us(timestamp);
            if let Some(lowest) = self.arrivals.lowest()
                && (transit - lowest).abs() > CLOCK_JUMP_US
            {
                self.jump();
            }
            self.arrivals.observe(now_us, transit);
            self.latest = Some(self.latest.map_or(timestamp, |l| l.max(timestamp)));
            if samples > 0 {
                self.usual = i64::from(samples);
            }
        }
        if self.played.is_some_and(|played| arrived.sequence <= played) {
            let far_behind = self
                .played
                .is_some_and(|played| arrived.sequence < played - 1000);
            return if far_behind {
                Inserted::Duplicate
            } else {
                Inserted::Late
            };
        }
        // Nearly always the last place.
        let place = self
            .packets
            .iter()
            .rposition(|entry| entry.sequence <= arrived.sequence)
            .map_or(0, |before| before + 1);
        if place > 0
            && self
                .packets
                .get(place - 1)
                .is_some_and(|entry| entry.sequence == arrived.sequence)
        {
            return Inserted::Duplicate;
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        let (codec, duration, noise) = match arrived.content {
            Content::Audio(codec, bytes, samples) => {
                payload.extend_from_slice(bytes);
                (Some(codec), i64::from(samples), None)
            }
            Content::Noise(noise) => (None, 0, noise),
            Content::Event => (None, 0, None),
        };
        self.packets.insert(
            place,
            Entry {
                sequence: arrived.sequence,
                timestamp,
                duration,
                marker: arrived.marker,
                level: arrived.level,
                codec,
                noise,
                payload,
            },
        );
        if self.packets.len() > MAX_PACKETS {
            self.drop_front();
        }
        Inserted::Kept
    }

    /// The media clock jumped (a hold, another source behind the same SSRC): the old time means
    /// nothing for what follows. What still waits is less than the jump and is given up.
    fn jump(&mut self) {
        while !self.packets.is_empty() {
            self.drop_front();
        }
        self.arrivals.rebase();
        self.pause();
    }

    fn drop_front(&mut self) {
        if let Some(entry) = self.packets.pop_front() {
            self.played = Some(entry.sequence);
            self.spare.push(entry.payload);
        }
    }

    /// The far end pauses: begin anew, at the target, with what comes next.
    fn pause(&mut self) {
        self.steering.reset();
        self.position = None;
        self.ahead = 0;
        self.concealed_run = 0;
    }

    /// What to play now, or a little later where audio already taken lasts until then.
    pub(super) fn pull(&mut self, now: Instant, listener: Listener) -> Playout<'_> {
        let at_us = self.time_us(now + listener.held);
        loop {
            // Things that are no audio have been told of when they came; here they only explain
            // why there is none.
            if let Some(head) = self.packets.front()
                && head.codec.is_none()
            {
                self.noise = head.noise.or(self.noise);
                self.drop_front();
                self.pause();
                continue;
            }
            let Some(head) = self.packets.front() else {
                return self.nothing_there(at_us);
            };
            let (timestamp, duration, sequence) = (head.timestamp, head.duration, head.sequence);
            let Some(position) = self.position else {
                // A half step early is nearer than a half step late.
                if self.delay_at(at_us, timestamp) + STEP_US / 4 < self.target_us() {
                    return self.silence();
                }
                self.position = Some(timestamp);
                return self.take(at_us, true, Tempo::Keep);
            };
            if timestamp + duration <= position {
                // Its time is over: it came late, or was left out.
                self.drop_front();
                continue;
            }
            let gap = timestamp - position;
            if gap <= 0 {
                match self.adapt(at_us, timestamp, duration, listener) {
                    Adapt::Play(tempo) => return self.take(at_us, false, tempo),
                    Adapt::Skip => continue,
                    Adapt::Stretch => return self.conceal(self.units(STEP_US)),
                }
            }
            let missing = self.played.map_or(0, |played| sequence - played - 1);
            if missing <= 0 {
                if gap < self.usual {
                    // A timestamp that stumbles, not a pause.
                    self.position = Some(timestamp);
                } else {
                    self.pause();
                }
                continue;
            }
            let reclaimed = self.ahead.min(gap);
            if reclaimed > 0 {
                self.foresight.due(true);
                self.ahead -= reclaimed;
                self.position = Some(position + reclaimed);
                continue;
            }
            if self.us(gap) > CONCEAL_MAX_US {
                self.pause();
                continue;
            }
            return self.lost(position, gap);
        }
    }

    /// Nothing is there to play. The packet may be late, lost, or never sent: the far end gives no
    /// sign of which.
    fn nothing_there(&mut self, at_us: i64) -> Playout<'_> {
        let Some(position) = self.position else {
            return self.silence();
        };
        if self.us(self.concealed_run) >= CONCEAL_MAX_US {
            self.pause();
            return self.silence();
        }
        let step = self.usual.min(self.units(STEP_US));
        if self.delay_at(at_us, position) + STEP_US <= self.max_us {
            self.ahead += step;
        } else {
            self.position = Some(position + step);
        }
        self.conceal(step)
    }

    fn silence(&self) -> Playout<'_> {
        self.noise.map_or(Playout::Silence, Playout::Noise)
    }

    fn count_concealed(&mut self, samples: i64) {
        self.done.concealed_us += self.us(samples);
        // No step is longer than a packet.
        self.done.concealed_frames += 1;
    }

    fn conceal(&mut self, samples: i64) -> Playout<'_> {
        let Some(codec) = self.codec else {
            return Playout::Silence;
        };
        self.concealed_run += samples;
        self.count_concealed(samples);
        Playout::Lost {
            codec,
            samples: samples as u32,
            next: None,
        }
    }

    /// The packet at `position` will not come any more: the one `gap` after it is to be played soon.
    fn lost(&mut self, position: i64, gap: i64) -> Playout<'_> {
        let samples = gap.min(self.usual);
        self.foresight.due(true);
        self.position = Some(position + samples);
        self.concealed_run += samples;
        self.count_concealed(samples);
        let (Some(codec), Some(head)) = (self.codec, self.packets.front()) else {
            return Playout::Silence;
        };
        let next = (gap == samples && head.codec == Some(codec)).then_some(head.payload.as_slice());
        if codec == Codec::Opus && next.is_some_and(opus_carries_copy) {
            self.done.recovered += 1;
        }
        Playout::Lost {
            codec,
            samples: samples as u32,
            next,
        }
    }

    /// The next packet is there and due. Steers the delay towards the target.
    fn adapt(&mut self, at_us: i64, timestamp: i64, duration: i64, listener: Listener) -> Adapt {
        let delay = self.delay_at(at_us, timestamp);
        let target = self.target_us();
        let length = self.us(duration).max(1);
        let excess = delay - target;
        let quiet = listener.quiet && !listener.elastic;
        let may = quiet
            || excess
                > if listener.elastic {
                    HOPELESS_EXCESS_US
                } else {
                    FORCED_EXCESS_US
                };
        if may
            && excess > length
            && self.packets.len() > 1
            && at_us - self.skipped_at >= SKIP_PAUSE_US
        {
            self.skipped_at = at_us;
            self.done.skipped_us += length;
            self.position = Some(timestamp + duration);
            return Adapt::Skip;
        }
        if quiet && delay + STEP_US <= target && self.codec.is_some() {
            self.done.stretched_us += STEP_US;
            return Adapt::Stretch;
        }
        if !listener.elastic {
            return Adapt::Play(Tempo::Keep);
        }
        let held_us = listener.held.as_micros() as i64;
        let next = self.packets.len() > 1;
        Adapt::Play(
            self.steering
                .judge(delay, held_us, target, listener.quiet, next),
        )
    }

    fn take(&mut self, at_us: i64, talkspurt: bool, tempo: Tempo) -> Playout<'_> {
        let Some(mut entry) = self.packets.pop_front() else {
            return Playout::Silence;
        };
        if self.ahead > 0 {
            // Late, not lost: what was concealed meanwhile stays in.
            self.done.stretched_us += self.us(self.ahead);
        }
        self.foresight.due(false);
        self.noise = None;
        self.ahead = 0;
        self.concealed_run = 0;
        let missed = self
            .played
            .map_or(0, |played| (entry.sequence - played - 1).max(0));
        let follows = self.played.is_some() && missed == 0;
        self.done.played += 1;
        self.done.missed += missed.unsigned_abs();
        self.done.missed_runs += u64::from(missed > 0);
        self.delay_us = self.delay_at(at_us, entry.timestamp);
        self.position = Some(entry.timestamp + entry.duration);
        self.played = Some(entry.sequence);
        self.codec = entry.codec;
        std::mem::swap(&mut self.current, &mut entry.payload);
        self.spare.push(entry.payload);
        match entry.codec {
            Some(codec) => Playout::Frame(Frame {
                codec,
                payload: &self.current,
                samples: entry.duration as u32,
                talkspurt: talkspurt || entry.marker,
                follows,
                tempo,
                level: entry.level,
                timestamp: entry.timestamp as u32,
                sequence: entry.sequence as u16,
            }),
            None => Playout::Silence,
        }
    }
}

enum Adapt {
    Play(Tempo),
    Skip,
    Stretch,
}
