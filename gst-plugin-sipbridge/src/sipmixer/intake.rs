// SPDX-License-Identifier: MPL-2.0
//! What a participant said and was not mixed yet: between the thread that pushes and the tick. Samples
//! wait in a queue here, packets in a jitter buffer ([`Packets`]).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use super::packets::Packets;
use crate::codec::CodecError;
use crate::leg::TrackStats;
use crate::mixer::Rate;

/// A frame must have come this long before the tick that takes the first: a little later than usual is
/// then not too late.
const SLACK: Duration = Duration::from_millis(5);

/// Somebody who may wait does so while more than this waits to be mixed; somebody who may not loses
/// what is older than twice of it.
const FULL_MS: usize = 80;

/// For so many ticks more than a frame must have been left over before one is left out.
const LEFT_OVER_TICKS: u32 = 100;

/// A frame that nobody misses: −50 dBFS.
const QUIET: u16 = 100;

/// Why a push ended before all of it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The pad is flushing or inactive.
    Flushing,
    /// The mixer does not play, and live audio does not wait.
    Dropped,
}

/// Who pushes samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushing {
    /// A media thread, which never waits; `here`: the one that mixes the room.
    OnContext { here: bool },
    /// Another thread, for a live source: it waits for room, but not for the mixer to play.
    Live,
    /// Another thread that has all the time there is.
    Patiently,
}

#[derive(Default)]
struct Fifo {
    rate: Option<Rate>,
    samples: VecDeque<i16>,
    /// When the oldest of the samples came, while none was taken yet.
    since: Option<Instant>,
    /// Frames are being taken.
    runs: bool,
    told_dbfs: Option<f32>,
    /// Who pushes waits, and has all the time there is.
    patient: bool,
    /// Who pushes does so on the thread that takes: what is to be there in time, is.
    here: bool,
    left_over: u32,
    playing: bool,
    flushing: bool,
    ended: bool,
}

impl Fifo {
    fn ms(&self, ms: usize) -> usize {
        self.rate.map_or(0, |rate| rate.frame() * ms / 20)
    }

    fn is_full(&self) -> bool {
        self.samples.len() > self.ms(FULL_MS)
    }

    fn forget(&mut self) {
        self.samples.clear();
        self.since = None;
        self.runs = false;
        self.left_over = 0;
    }
}

/// The way into the mix.
#[derive(Default)]
pub(super) struct Intake {
    fifo: Mutex<Fifo>,
    taken: Condvar,
    /// What comes is RTP. Locked before the queue where both are.
    packets: Mutex<Option<Packets>>,
}

impl Intake {
    fn packets(&self) -> MutexGuard<'_, Option<Packets>> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on packets of this codec come, and tell their level in the header extension of this number.
    /// Opus is decoded at `rate_max`.
    pub(super) fn set_packets(
        &self,
        now: Instant,
        codec: Codec,
        rate_max: Rate,
        level: Option<u8>,
    ) -> Result<(), CodecError> {
        let mut packets = self.packets();
        if packets.as_ref().is_none_or(|now| now.codec() != codec) {
            *packets = Some(Packets::new(now, codec, rate_max)?);
        }
        if let Some(packets) = &mut *packets {
            packets.set_level_extension(level);
        }
        self.lock().rate = None;
        Ok(())
    }

    /// One RTP packet. It never waits: that is what the jitter buffer is for. `None`: what comes are samples.
    pub(super) fn push_packet(&self, now: Instant, bytes: &[u8]) -> Option<Result<(), Refused>> {
        let mut packets = self.packets();
        let packets = packets.as_mut()?;
        let (flushing, playing) = {
            let fifo = self.lock();
            (fifo.flushing, fifo.playing)
        };
        Some(match (flushing, playing) {
            (true, _) => Err(Refused::Flushing),
            (false, false) => Err(Refused::Dropped),
            (false, true) => {
                packets.push(now, bytes);
                Ok(())
            }
        })
    }

    /// What the jitter buffer counts, where packets come.
    pub(super) fn track(&self) -> Option<TrackStats> {
        self.packets().as_ref().map(Packets::stats)
    }

    fn lock(&self) -> MutexGuard<'_, Fifo> {
        self.fifo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pad is activated: a new stream.
    pub(super) fn open(&self) {
        *self.packets() = None;
        let mut fifo = self.lock();
        *fifo = Fifo {
            playing: fifo.playing,
            ..Fifo::default()
        };
    }

    /// Whoever waits is let go, and nobody may come.
    pub(super) fn set_flushing(&self, flushing: bool) {
        if let Some(packets) = &mut *self.packets() {
            packets.forget();
        }
        let mut fifo = self.lock();
        fifo.flushing = flushing;
        fifo.ended = false;
        fifo.forget();
        self.taken.notify_all();
    }

    pub(super) fn set_playing(&self, playing: bool) {
        if let Some(packets) = self.packets().as_mut().filter(|_| !playing) {
            packets.forget();
        }
        let mut fifo = self.lock();
        fifo.playing = playing;
        if !playing {
            fifo.runs = false;
        }
        self.taken.notify_all();
    }

    pub(super) fn set_rate(&self, rate: Rate) {
        *self.packets() = None;
        let mut fifo = self.lock();
        if fifo.rate != Some(rate) {
            fifo.forget();
            fifo.rate = Some(rate);
        }
    }

    pub(super) fn rate(&self) -> Option<Rate> {
        let packets = self.packets().as_ref().map(Packets::rate);
        packets.or_else(|| self.lock().rate)
    }

    /// The stream has ended.
    pub(super) fn end(&self) {
        if let Some(packets) = &mut *self.packets() {
            packets.end();
        }
        self.lock().ended = true;
    }

    /// The stream has ended and all of it was mixed.
    pub(super) fn is_over(&self) -> bool {
        if let Some(packets) = &*self.packets() {
            return packets.is_over();
        }
        let fifo = self.lock();
        fifo.ended && fifo.samples.len() < fifo.ms(20).max(1)
    }

    /// Samples in little-endian.
    pub(super) fn push(
        &self,
        now: Instant,
        bytes: &[u8],
        told_dbfs: Option<f32>,
        how: Pushing,
    ) -> Result<(), Refused> {
        let (mut pairs, _) = bytes.as_chunks::<2>();
        let mut fifo = self.lock();
        fifo.ended = false;
        fifo.told_dbfs = told_dbfs;
        fifo.patient = how == Pushing::Patiently;
        fifo.here = how == Pushing::OnContext { here: true };
        while !pairs.is_empty() {
            if fifo.flushing {
                return Err(Refused::Flushing);
            }
            if !fifo.playing && how != Pushing::Patiently {
                return Err(Refused::Dropped);
            }
            let waits = !matches!(how, Pushing::OnContext { .. });
            if waits && (!fifo.playing || fifo.is_full()) {
                fifo = self
                    .taken
                    .wait(fifo)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let length = pairs.len().min(fifo.ms(20).max(1));
            let (piece, rest) = pairs.split_at(length);
            fifo.samples
                .extend(piece.iter().map(|pair| i16::from_le_bytes(*pair)));
            pairs = rest;
            fifo.since.get_or_insert(now);
            let most = fifo.ms(FULL_MS * 2);
            let over = fifo.samples.len().saturating_sub(most);
            fifo.samples.drain(..over);
        }
        Ok(())
    }

    /// One frame for the tick at `now`; with its rate, and its level where the sender told it, or where the
    /// frame only stands for silence of that level.
    pub(super) fn take(
        &self,
        now: Instant,
        hears_silence: bool,
        frame: &mut Vec<i16>,
    ) -> Option<(Rate, Option<f32>)> {
        if let Some(packets) = &mut *self.packets() {
            return packets.take(now, hears_silence, frame);
        }
        let mut fifo = self.lock();
        let rate = fifo.rate?;
        let length = rate.frame();
        if fifo.samples.len() < length {
            // What is left begins anew with what comes next.
            fifo.runs = false;
            fifo.left_over = 0;
            if !fifo.samples.is_empty() {
                fifo.since = Some(now);
            } else {
                fifo.since = None;
            }
            return None;
        }
        let rested = fifo
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= SLACK);
        if !fifo.runs && !rested && !fifo.here && !fifo.ended {
            return None;
        }
        fifo.runs = true;
        fifo.since = Some(now);
        frame.clear();
        frame.extend(fifo.samples.drain(..length));
        Self::keep_up(&mut fifo, length, frame);
        if fifo.samples.is_empty() {
            fifo.since = None;
        }
        self.taken.notify_all();
        Some((rate, fifo.told_dbfs))
    }

    /// Audio that once came late would lag for good: a quiet frame of it is left out.
    fn keep_up(fifo: &mut Fifo, length: usize, frame: &[i16]) {
        let lags = !fifo.patient && fifo.samples.len() >= length + length / 4;
        if !lags {
            fifo.left_over = 0;
            return;
        }
        fifo.left_over += 1;
        let quiet = frame.iter().all(|sample| sample.unsigned_abs() < QUIET);
        if fifo.left_over >= LEFT_OVER_TICKS && quiet {
            fifo.samples.drain(..length);
            fifo.left_over = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::Hz8000;
    const TICK: Duration = Duration::from_millis(20);

    fn intake() -> (Intake, Instant) {
        let intake = Intake::default();
        intake.set_rate(RATE);
        intake.set_playing(true);
        (intake, Instant::now())
    }

    fn bytes(ms: usize) -> Vec<u8> {
        vec![0; ms * 16]
    }

    fn push(intake: &Intake, at: Instant, ms: usize) {
        let how = Pushing::OnContext { here: false };
        intake.push(at, &bytes(ms), None, how).unwrap();
    }

    fn takes(intake: &Intake, at: Instant) -> bool {
        intake.take(at, true, &mut Vec::new()).is_some()
    }

    #[test]
    fn frames_that_come_just_before_the_tick_are_taken_at_the_next() {
        let (intake, begin) = intake();
        let ms = Duration::from_millis;
        push(&intake, begin + ms(19), 20);
        assert!(!takes(&intake, begin + ms(20)));
        // And then one every tick, though each comes a little later than the one before.
        for tick in 1..10u32 {
            push(
                &intake,
                begin + TICK * tick + ms(19) + Duration::from_micros(400) * tick,
                20,
            );
            assert!(takes(&intake, begin + TICK * (tick + 1)), "{tick}");
        }
    }

    #[test]
    fn what_the_same_thread_brings_just_before_the_tick_is_taken_at_once() {
        let (intake, begin) = intake();
        let at = begin + Duration::from_micros(19_500);
        let how = Pushing::OnContext { here: true };
        intake.push(at, &bytes(20), None, how).unwrap();
        assert!(takes(&intake, begin + TICK));
    }

    #[test]
    fn small_buffers_and_large_ones_become_frames() {
        let (intake, begin) = intake();
        for ms in [10, 10, 5, 30, 7, 18] {
            push(&intake, begin, ms);
        }
        for tick in 1..5 {
            assert!(takes(&intake, begin + TICK * tick), "{tick}");
        }
        assert!(!takes(&intake, begin + TICK * 5));
    }

    #[test]
    fn who_may_not_wait_loses_the_oldest() {
        let (intake, begin) = intake();
        push(&intake, begin, 1_000);
        let taken = (1..50).filter(|tick| takes(&intake, begin + TICK * *tick));
        assert_eq!(taken.count(), FULL_MS * 2 / 20);
    }

    #[test]
    fn who_may_wait_loses_nothing() {
        let (intake, begin) = intake();
        std::thread::scope(|scope| {
            scope.spawn(|| intake.push(begin, &bytes(1_000), None, Pushing::Patiently));
            let mut taken = 0;
            let mut at = begin;
            while taken < 50 {
                at += TICK;
                taken += u32::from(takes(&intake, at));
                std::thread::yield_now();
            }
        });
        assert!(!takes(&intake, begin + TICK * 1_000));
    }

    #[test]
    fn flushing_lets_go_of_who_waits() {
        let (intake, begin) = intake();
        std::thread::scope(|scope| {
            let pushing =
                scope.spawn(|| intake.push(begin, &bytes(1_000), None, Pushing::Patiently));
            intake.set_flushing(true);
            assert_eq!(pushing.join().unwrap(), Err(Refused::Flushing));
        });
    }

    #[test]
    fn while_it_does_not_play_live_audio_is_dropped() {
        let (intake, begin) = intake();
        intake.set_playing(false);
        assert_eq!(
            intake.push(begin, &bytes(20), None, Pushing::Live),
            Err(Refused::Dropped)
        );
        assert_eq!(
            intake.push(begin, &bytes(20), None, Pushing::OnContext { here: false }),
            Err(Refused::Dropped)
        );
    }

    #[test]
    fn audio_that_lags_catches_up_in_a_pause() {
        let (intake, begin) = intake();
        push(&intake, begin, 60);
        for tick in 1..=LEFT_OVER_TICKS {
            assert!(takes(&intake, begin + TICK * tick));
            push(&intake, begin + TICK * tick, 20);
        }
        let left = intake.lock().samples.len();
        assert_eq!(left, 2 * RATE.frame(), "60 ms became 40");
    }

    #[test]
    fn the_end_is_when_all_was_taken() {
        let (intake, begin) = intake();
        push(&intake, begin, 30);
        intake.end();
        assert!(!intake.is_over());
        assert!(takes(&intake, begin));
        assert!(intake.is_over());
    }
}
