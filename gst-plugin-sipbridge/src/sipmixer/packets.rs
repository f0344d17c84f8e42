// SPDX-License-Identifier: MPL-2.0
//! A participant who comes as RTP: a jitter buffer that each tick takes its 20 ms from. So nothing has to
//! wait for a clock between the network and the mix, and losses are concealed where they happen.

use std::time::Instant;

use rtp_types::RtpPacket;
use sip_ua::sdp::Codec;

use super::levels;
use crate::codec::{CodecError, Decoder};
use crate::leg::{Track, TrackStats};
use crate::media::Player;
use crate::mixer::Rate;
use crate::rtc::told_level;

/// What came of a participant and is yet to be heard.
pub(super) struct Packets {
    track: Track,
    player: Player,
    rate: Rate,
    /// The header extension that holds a level (RFC 6464), where packets have it.
    level_extension: Option<u8>,
    /// Somebody has been heard since it began, or began anew.
    begun: bool,
    ended: bool,
}

impl Packets {
    /// Packets of this codec; Opus is decoded at `rate_max`.
    pub(super) fn new(now: Instant, codec: Codec, rate_max: Rate) -> Result<Packets, CodecError> {
        let rate = match codec {
            Codec::Opus => rate_max,
            other => Rate::from_hz(other.audio_rate()).unwrap_or(Rate::Hz8000),
        };
        let mut player = Player::new();
        // Not in a tick: it takes memory.
        player.prepare(vec![(codec, Decoder::new(codec, rate.hz())?)]);
        Ok(Packets {
            track: Track::new(now, codec),
            player,
            rate,
            level_extension: None,
            begun: false,
            ended: false,
        })
    }

    /// Where packets tell their level from now on.
    pub(super) fn set_level_extension(&mut self, number: Option<u8>) {
        self.level_extension = number;
    }

    pub(super) fn codec(&self) -> Codec {
        self.track.in_codec()
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// One packet; `false`: it is none.
    pub(super) fn push(&mut self, now: Instant, bytes: &[u8]) -> bool {
        self.ended = false;
        match RtpPacket::parse(bytes) {
            Ok(packet) => {
                self.begun = true;
                let extension = self.level_extension;
                let level = extension.and_then(|number| told_level(&packet, number));
                self.track.insert(now, &packet, level);
                true
            }
            Err(_) => false,
        }
    }

    /// What waits is not heard any more.
    pub(super) fn forget(&mut self) {
        self.track.restart();
        self.player.took(usize::MAX);
        self.begun = false;
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended
    }

    /// The 20 ms of the tick at `now`, and their level where the packets they came in tell it, or where they
    /// only stand for silence of it: as nobody hears any, that is not decoded. `None`: nobody speaks, and what
    /// their line sounds like is not known.
    pub(super) fn take(
        &mut self,
        now: Instant,
        hears_silence: bool,
        frame: &mut Vec<i16>,
    ) -> Option<(Rate, Option<f32>)> {
        if !self.begun {
            return None;
        }
        self.player.may_rest = !hears_silence;
        let wanted = self.rate.frame();
        let rate_hz = self.rate.hz();
        let heard = self
            .player
            .fill(now, &mut self.track, wanted, rate_hz, |_| {});
        let told = self.player.told_level().map(levels::dbfs);
        frame.clear();
        frame.extend_from_slice(self.player.next(wanted));
        self.player.took(wanted);
        heard.then(|| (self.rate, told.or_else(|| self.player.rests_at_dbfs())))
    }

    pub(super) fn stats(&self) -> TrackStats {
        self.track.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoder, OpusSettings};
    use rtp_types::RtpPacketBuilder;
    use std::time::Duration;

    const TICK: Duration = Duration::from_millis(20);

    /// Somebody who whistles, and a line to the mixer.
    struct Whistler {
        encoder: Encoder,
        codec: Codec,
        sequence: u16,
        sample: usize,
    }

    impl Whistler {
        fn new(codec: Codec) -> Whistler {
            let rate_hz = codec.audio_rate();
            Whistler {
                encoder: Encoder::new(codec, rate_hz, OpusSettings::default()).unwrap(),
                codec,
                sequence: 65_500,
                sample: 0,
            }
        }

        fn packet(&mut self) -> Vec<u8> {
            let rate_hz = self.encoder.rate_hz();
            let length = rate_hz as usize / 50;
            let samples = (self.sample..self.sample + length).map(|n| {
                let turns = n as f64 * 440.0 / f64::from(rate_hz);
                (8_000.0 * (turns * std::f64::consts::TAU).sin()) as i16
            });
            let samples: Vec<i16> = samples.collect();
            self.sample += length;
            let mut payload = Vec::new();
            self.encoder.encode(&samples, &mut payload);
            self.sequence = self.sequence.wrapping_add(1);
            let clock = self.codec.clock_rate() / 50;
            let mut bytes = Vec::new();
            RtpPacketBuilder::<&[u8], &[u8]>::new()
                .payload_type(96)
                .sequence_number(self.sequence)
                .timestamp(u32::from(self.sequence.wrapping_sub(65_500)) * clock)
                .ssrc(7)
                .payload(&payload)
                .write_into_vec_unchecked(&mut bytes);
            bytes
        }
    }

    /// Plays 200 packets, packet `n` coming `late(n)` after its time, or never. Returns what is heard in
    /// each tick: whether anything, and how loud.
    fn play(codec: Codec, late: impl Fn(u32) -> Option<Duration>) -> (Vec<f64>, Packets) {
        let begin = Instant::now();
        let mut packets = Packets::new(begin, codec, Rate::Hz48000).unwrap();
        let mut whistler = Whistler::new(codec);
        let mut wire: Vec<(Instant, Vec<u8>)> = Vec::new();
        for n in 0..200 {
            let packet = whistler.packet();
            if let Some(late) = late(n) {
                wire.push((begin + TICK * n + late, packet));
            }
        }
        wire.sort_by_key(|(at, _)| *at);
        let mut wire = wire.into_iter().peekable();
        let mut heard = Vec::new();
        let mut frame = Vec::new();
        for tick in 0..200 {
            let now = begin + TICK * tick + Duration::from_millis(7);
            while let Some((at, packet)) = wire.next_if(|(at, _)| *at <= now) {
                assert!(packets.push(at, &packet));
            }
            let level = match packets.take(now, true, &mut frame) {
                Some((rate, _)) => {
                    assert_eq!(frame.len(), rate.frame());
                    let sum: f64 = frame.iter().map(|s| f64::from(*s).powi(2)).sum();
                    (sum / frame.len() as f64).sqrt()
                }
                None => 0.0,
            };
            heard.push(level);
        }
        (heard, packets)
    }

    /// Of a sine of amplitude 8000.
    const LOUD: std::ops::Range<f64> = 4_500.0..6_800.0;

    #[test]
    fn every_codec_is_heard_within_three_ticks_and_then_always() {
        for codec in [
            Codec::Opus,
            Codec::Pcmu,
            Codec::Pcma,
            Codec::G722,
            Codec::L16,
        ] {
            let (heard, packets) = play(codec, |_| Some(Duration::ZERO));
            for (tick, level) in heard.iter().enumerate().skip(3) {
                assert!(LOUD.contains(level), "{codec:?}, tick {tick}: {level}");
            }
            let stats = packets.stats();
            assert_eq!((stats.late, stats.missed, stats.malformed), (0, 0, 0));
            assert!(stats.delay <= TICK * 2, "{codec:?}: {:?}", stats.delay);
        }
    }

    #[test]
    fn jitter_of_forty_milliseconds_is_not_heard_once_it_is_known() {
        let (heard, _) = play(Codec::Opus, |n| {
            Some(Duration::from_millis(u64::from(n * 7919 % 41)))
        });
        for (tick, level) in heard.iter().enumerate().skip(60) {
            assert!(LOUD.contains(level), "tick {tick}: {level}");
        }
    }

    #[test]
    fn what_is_lost_is_concealed() {
        for codec in [Codec::Opus, Codec::Pcmu] {
            let (heard, packets) = play(codec, |n| (n % 10 != 9).then_some(Duration::ZERO));
            for (tick, level) in heard.iter().enumerate().skip(3) {
                assert!(*level > 1_000.0, "{codec:?}, tick {tick}: {level}");
            }
            assert!(packets.stats().missed >= 18);
        }
    }

    /// The number of the extension that holds a level.
    const LEVEL: u8 = 5;

    /// How loud the sender of the tests below says packet `n` is: never as loud as it sounds.
    fn level(n: u32) -> u8 {
        80 + (n * 37 % 41) as u8
    }

    /// A packet of L16 of one value, which is that of no other.
    fn plain(n: u32, ms: u32) -> Vec<u8> {
        let value = (1_000 + 100 * n) as i16;
        let payload: Vec<u8> = (0..ms * 16).flat_map(|_| value.to_be_bytes()).collect();
        let told = [LEVEL << 4, level(n), 0, 0];
        let mut bytes = Vec::new();
        RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(96)
            .sequence_number(n as u16)
            .timestamp(n * ms * 16)
            .ssrc(7)
            .payload(&payload)
            .extension(0xbede, &told)
            .write_into_vec_unchecked(&mut bytes);
        bytes
    }

    /// Plays packets of this length, packet `n` coming `late(n)` milliseconds after its time, or never: which
    /// of them are in each tick from the first on, and what is told of its level.
    fn play_told(
        ms: u32,
        late: impl Fn(u32) -> Option<u64>,
        extension: Option<u8>,
    ) -> Vec<(Vec<u32>, Option<f32>)> {
        let begin = Instant::now();
        let mut packets = Packets::new(begin, Codec::L16, Rate::Hz48000).unwrap();
        packets.set_level_extension(extension);
        let on_time = |n: u32| Duration::from_millis(u64::from(n * ms));
        let mut wire: Vec<(Duration, u32)> = (0..100)
            .filter_map(|n| Some((on_time(n) + Duration::from_millis(late(n)?), n)))
            .collect();
        wire.sort();
        let mut wire = wire.into_iter().peekable();
        let mut frame = Vec::new();
        let mut ticks = Vec::new();
        for tick in 0..98 * ms / 20 {
            let at = TICK * tick + Duration::from_millis(7);
            while let Some((came, n)) = wire.next_if(|(came, _)| *came <= at) {
                assert!(packets.push(begin + came, &plain(n, ms)));
            }
            if let Some((_, told)) = packets.take(begin + at, true, &mut frame) {
                let numbers = frame
                    .iter()
                    .map(|sample| (i32::from(*sample) - 1_000) / 100);
                let mut numbers: Vec<u32> = numbers.map(|number| number as u32).collect();
                numbers.dedup();
                ticks.push((numbers, told));
            }
        }
        ticks
    }

    #[test]
    fn a_level_is_that_of_the_packets_that_are_heard() {
        for ms in [10, 20, 30, 40, 60] {
            let ticks = play_told(ms, |_| Some(0), Some(LEVEL));
            assert!(ticks.len() as u32 > 90 * ms / 20, "{ms} ms: {ticks:?}");
            for (numbers, told) in &ticks {
                let loudest = numbers.iter().map(|n| level(*n)).min();
                assert_eq!(*told, loudest.map(levels::dbfs), "{ms} ms: {ticks:?}");
            }
        }
    }

    #[test]
    fn packets_that_overtake_each_other_keep_their_levels() {
        let late = |n: u32| Some(if n % 10 == 4 { 22 } else { 0 });
        let ticks = play_told(20, late, Some(LEVEL));
        assert!(ticks.len() > 90);
        for (n, (numbers, told)) in (0..).zip(&ticks) {
            assert_eq!(*numbers, [n]);
            assert_eq!(*told, Some(levels::dbfs(level(n))));
        }
    }

    #[test]
    fn of_what_is_lost_no_level_is_told() {
        let lost = |n: u32| n % 10 == 9;
        let ticks = play_told(20, |n| (!lost(n)).then_some(0), Some(LEVEL));
        assert!(ticks.len() > 90);
        for (n, (_, told)) in (0..).zip(&ticks) {
            let expected = (!lost(n)).then(|| levels::dbfs(level(n)));
            assert_eq!(*told, expected, "{n}");
        }
    }

    #[test]
    fn where_no_extension_was_agreed_on_no_level_is_told() {
        for extension in [None, Some(LEVEL + 1)] {
            let ticks = play_told(20, |_| Some(0), extension);
            assert!(ticks.len() > 90);
            assert!(ticks.iter().all(|(_, told)| told.is_none()));
        }
    }

    #[test]
    fn garbage_is_counted_and_not_heard() {
        let begin = Instant::now();
        let mut packets = Packets::new(begin, Codec::Opus, Rate::Hz48000).unwrap();
        assert!(!packets.push(begin, b"no RTP at all"));
        let mut frame = Vec::new();
        assert_eq!(packets.take(begin + TICK, true, &mut frame), None);
        let mut empty = Vec::new();
        RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(96)
            .payload(&[])
            .write_into_vec_unchecked(&mut empty);
        assert!(packets.push(begin, &empty));
        assert_eq!(packets.stats().malformed, 1);
        assert_eq!(packets.take(begin + TICK, true, &mut frame), None);
    }
}
